"""The rows of a study page's tables, as text and as values to sort by."""

from dataclasses import dataclass
from typing import Any

from treehead.report import wording
from treehead.report.study.read import StudyRecord


@dataclass(frozen=True, slots=True)
class TableCell:
    """What is shown, and what it is sorted by."""

    text: str
    value: float | str
    number: bool = True


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `href` leads to its own report, where there is one."""

    name: str
    href: str | None
    cells: tuple[TableCell, ...]


NEVER = 1e9
"""Where a run never got there, or has no figure yet, it sorts behind all others."""


def heads(record: StudyRecord) -> list[str]:
    """The columns of `run_rows`, after the run's name."""
    marks = _marks(record)
    accuracy = [f"{level}, test" for level in record.summary["levels"]]
    return [
        *record.summary["axes"],
        "extra",
        "state",
        *accuracy,
        "training loss",
        "validation loss",
        *(f"epochs to {mark} %" for mark in marks),
        "minutes",
        "parameters",
    ]


def run_rows(record: StudyRecord) -> list[RunRow]:
    """Every cell of the study, finished or not."""
    return [
        RunRow(row["name"], record.reports.get(row["name"]), tuple(_cells(record, row)))
        for row in record.summary["cells"]
    ]


def _cells(record: StudyRecord, row: dict[str, Any]) -> list[TableCell]:
    cells = [TableCell(choice, choice, number=False) for choice in row["at"].values()]
    state = row["state"] if row["state"] == "finished" else f"{row['state']}, {row['epochs']} of {row['planned']}"
    cells += [TableCell(row["extra"] or "", row["extra"] or "", number=False), TableCell(state, state, number=False)]
    figures = row["figures"]
    if not figures:
        return [*cells, *[TableCell(wording.NOTHING, NEVER)] * (len(heads(record)) - len(cells))]
    cells += [
        TableCell(wording.percent(figures["accuracy"][level], 2), figures["accuracy"][level])
        for level in record.summary["levels"]
    ]
    cells += [TableCell(wording.decimal(figures[key]), figures[key]) for key in ("train_loss", "validation_loss")]
    for mark in _marks(record):
        epoch = figures["epochs_to"][mark]
        cells.append(TableCell(str(epoch) if epoch else "never", epoch or NEVER))
    cells.append(TableCell(wording.decimal(figures["minutes"], 1), figures["minutes"]))
    return [*cells, TableCell(wording.millions(row["parameters"]), row["parameters"])]


def _marks(record: StudyRecord) -> list[str]:
    found = (row["figures"]["epochs_to"] for row in record.summary["cells"] if row["figures"])
    return list(next(found, {}))


def effect_rows(record: StudyRecord) -> list[dict[str, Any]]:
    """What every comparison, ablation and interaction does to leaf test accuracy, with a label and words."""
    if not record.summary["levels"]:
        return []
    measure = f"accuracy.{record.summary['levels'][0]}"
    rows = []
    for key in ("effects", "extras", "interactions"):
        rows += [_effect(row) for row in record.summary[key] if row["measure"] == measure]
    return rows


def _effect(row: dict[str, Any]) -> dict[str, Any]:
    if "extra" in row:
        label = f"{row['extra']}, against what it departs from"
    elif "axes" in row:
        (_, second), (_, two) = row["choices"]
        label = f"{second} and {two} together, beyond their sum"
    else:
        label = f"{row['second']} instead of {row['first']}"
    verdict = {None: "one pair: not known", True: "inside the noise", False: "more than noise"}[row["is_noise"]]
    return row | {
        "label": label,
        "verdict": verdict,
        "difference": points(row["mean"]),
        "interval": wording.NOTHING if row["low"] is None else f"{points(row['low'])} to {points(row['high'])}",
    }


def points(share: float) -> str:
    """A difference of shares in percent points, with its sign: +0.84."""
    return f"{100 * share:+.2f}".replace("-", "−")
