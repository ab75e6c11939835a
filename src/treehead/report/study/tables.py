"""The rows of a study page's tables, as text and as values to sort by."""

from dataclasses import dataclass

from treehead.records.study import CellRow, Effect, ExtraEffect, Interaction, JudgedDifference
from treehead.report import wording
from treehead.report.study.read import StudyRecord


@dataclass(frozen=True, slots=True)
class TableHead:
    """The head of a column; those of numbers are aligned to the right."""

    text: str
    number: bool = True


@dataclass(frozen=True, slots=True)
class TableCell:
    """The text of a cell, and the value it is sorted by."""

    text: str
    value: float | str
    number: bool = True


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `href` leads to its own report; None if there is none."""

    name: str
    href: str | None
    cells: tuple[TableCell, ...]


LAST = 1e9
"""Sorts a run without a figure, or one that never reached a mark, behind all others."""


def heads(record: StudyRecord) -> list[TableHead]:
    """The columns of `run_rows`, after the run's name."""
    texts = [*record.summary["axes"], *(["extra"] if _has_extras(record) else []), "state"]
    figures = [*(f"{level}, test" for level in record.summary["levels"]), "training loss", "validation loss"]
    figures += [*(f"epochs to {mark} %" for mark in _marks(record)), "minutes", "PFLOP", "parameters"]
    return [*(TableHead(text, number=False) for text in texts), *map(TableHead, figures)]


def run_rows(record: StudyRecord) -> list[RunRow]:
    """Every cell of the study, finished or not."""
    num_columns = len(heads(record))
    rows = []
    for row in record.summary["cells"]:
        cells = [*_choices(record, row), *_figures(record, row)]
        cells += [TableCell(wording.NOTHING, LAST)] * (num_columns - len(cells))
        rows.append(RunRow(row["name"], record.reports.get(row["name"]), tuple(cells)))
    return rows


def _choices(record: StudyRecord, row: CellRow) -> list[TableCell]:
    """The cells before the figures."""
    state = row["state"] if row["state"] == "finished" else f"{row['state']}, {row['epochs']} of {row['planned']}"
    texts = [*row["at"].values(), *([row["extra"] or ""] if _has_extras(record) else []), state]
    return [TableCell(text, text, number=False) for text in texts]


def _figures(record: StudyRecord, row: CellRow) -> list[TableCell]:
    """The cells of the figures; none until the run is finished."""
    figures = row["figures"]
    if not figures:
        return []
    accuracies = [figures["accuracy"][level] for level in record.summary["levels"]]
    epochs = [figures["epochs_to"][mark] for mark in _marks(record)]
    losses = [figures["train_loss"], figures["validation_loss"]]
    parameters, work = row["parameters"], figures.get("work_pflop")
    return [
        *(TableCell(wording.percent(accuracy, 2), accuracy) for accuracy in accuracies),
        *(TableCell(wording.decimal(loss), loss) for loss in losses),
        *(TableCell(str(epoch or "never"), epoch or LAST) for epoch in epochs),
        TableCell(wording.decimal(figures["minutes"], 1), figures["minutes"]),
        TableCell(wording.NOTHING if work is None else f"{work:.3g}", LAST if work is None else work),
        TableCell(wording.millions(parameters) if parameters else wording.NOTHING, parameters or LAST),
    ]


def _has_extras(record: StudyRecord) -> bool:
    return any(row["extra"] for row in record.summary["cells"])


def _marks(record: StudyRecord) -> list[str]:
    """The validation accuracies, in percent, whose first epoch is recorded."""
    finished = (row["figures"]["epochs_to"] for row in record.summary["cells"] if row["figures"])
    return list(next(finished, {}))


@dataclass(frozen=True, slots=True)
class EffectRow:
    """A difference in test accuracy with its interval; `text_` fields are in percentage points."""

    label: str
    mean: float
    low: float | None
    high: float | None
    n: int
    significant: bool
    text_difference: str
    text_interval: str
    verdict: str


def effect_rows(record: StudyRecord) -> list[EffectRow]:
    """Every comparison, ablation and interaction, in leaf test accuracy."""
    if not record.summary["levels"]:
        return []
    measure, summary = f"accuracy.{record.summary['levels'][0]}", record.summary
    return [
        *(_effect_row(_comparison(effect), effect) for effect in summary["effects"] if effect["measure"] == measure),
        *(_effect_row(_ablation(extra), extra) for extra in summary["extras"] if extra["measure"] == measure),
        *(_effect_row(_interaction(gap), gap) for gap in summary["interactions"] if gap["measure"] == measure),
    ]


def _comparison(effect: Effect) -> str:
    return f"{effect['second']} instead of {effect['first']}"


def _ablation(extra: ExtraEffect) -> str:
    return f"{extra['extra']}, compared with its base run"


def _interaction(interaction: Interaction) -> str:
    (_, second), (_, two) = interaction["choices"]
    return f"interaction of {second} and {two}"


def _effect_row(label: str, difference: JudgedDifference) -> EffectRow:
    low, high = difference["low"], difference["high"]
    interval = wording.NOTHING if low is None or high is None else f"{points(low)} to {points(high)}"
    verdicts = {None: "one pair: unknown", True: "not significant", False: "significant"}
    return EffectRow(
        label,
        difference["mean"],
        low,
        high,
        difference["n"],
        significant=difference["is_noise"] is False,
        text_difference=points(difference["mean"]),
        text_interval=interval,
        verdict=verdicts[difference["is_noise"]],
    )


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign: +0.84."""
    return f"{round(100 * difference, 2) + 0.0:+.2f}".replace("-", "−")
