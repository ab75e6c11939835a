"""How severe a study's mistakes are: a row per choice and decoder, over its seeds, beside the study's first choice.

The first choice of every axis, each head answering for itself, is what all others are held against. Differences are
paired by seed, for two runs of one seed start from the same weights and see the same batches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from treehead.decode import DECODERS
from treehead.metrics.intervals import t_interval
from treehead.records.run import Metrics
from treehead.study.grid import Cell

Place = tuple[tuple[str, str], ...]
"""A cell's choices, its seed left out, and the extra it is."""
PLAIN = "independent"


def mistake_rows(runs: Sequence[tuple[Cell, Metrics]]) -> list[dict[str, Any]]:
    """A row per place in the grid and decoder, in the order of the cells.

        choice              which one, in words
        at, extra, decode   the same by axis, and under which decoder
        runs                how many seeds
        figures             by measure: mean, low, high, n; the interval is Student's over the seeds
        against             the same of the differences to the first row, paired by seed; None for itself

    Shapes: runs: the finished cells, each with its metrics.json.
    Conventions: none if the runs' trees differ, for severities of two trees do not compare, nor if one was measured
        before there was a table of decoders.
    """
    trees = {(metrics["tree"], *metrics["levels"]) for _, metrics in runs}
    if len(trees) != 1 or not all("decoders" in metrics for _, metrics in runs):
        return []
    places: dict[Place, dict[str, Metrics]] = {}
    for cell, metrics in runs:
        places.setdefault(_place(cell), {})[cell.at.get("seed", "")] = metrics
    first = {seed: measures(metrics, PLAIN) for seed, metrics in next(iter(places.values())).items()}
    rows = []
    for place, by_seed in places.items():
        for kind in DECODERS:
            told = {seed: measures(metrics, kind) for seed, metrics in by_seed.items()}
            shared = [seed for seed in told if seed in first]
            differences = [{key: told[seed][key] - first[seed][key] for key in first[seed]} for seed in shared]
            at = dict(place)
            extra = at.pop("extra")
            rows.append(
                {
                    "choice": ", ".join([*at.values(), *([extra] if extra else [])]) or "the study",
                    "at": at,
                    "extra": extra,
                    "decode": kind,
                    "runs": len(told),
                    "figures": _over_seeds(list(told.values())),
                    "against": _over_seeds(differences) if rows and differences else None,
                }
            )
    return rows


def measures(metrics: Metrics, kind: str) -> dict[str, float]:
    """One run's figures under one decoder: shares of the images and mean severities (0 without a mistake)."""
    told, leaf = metrics["decoders"][kind], metrics["levels"][0]
    counts = told["severity_counts"]
    return {
        "accuracy": told["accuracy"][leaf],
        **{f"severity.{height}": count / sum(counts) for height, count in enumerate(counts)},
        "mistake_severity": told["mistake_severity"] or 0.0,
        **{f"hd.{k}": value for k, value in told["hd"].items()},
        "full_path_accuracy": told["full_path_accuracy"],
        "tree_inconsistency": told["tree_inconsistency"],
        "calibration_error": metrics["calibration"]["before"]["calibration_error"][leaf],
        "calibrated_error": metrics["calibration"]["after"]["calibration_error"][leaf],
        **({"haf5.mistake_severity": told["haf5"]["mistake_severity"] or 0.0} if "haf5" in told else {}),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The rows as text, `heads` and `lines`: means, with half the width of the interval over the seeds where there is
    one; severities as images of 10,000."""
    if not rows:
        return {"heads": [], "lines": []}
    heights = sum(key.startswith("severity.") for key in rows[0]["figures"])
    hds = [key for key in rows[0]["figures"] if key.startswith("hd.")]
    heads = ["choice", "decode", "runs", "correct", *(f"severity {height}" for height in range(1, heights))]
    heads += [f"severity {heights - 1} against the first row", "MS"]
    heads += [*(f"HD@{key.removeprefix('hd.')}" for key in hds), *PERCENT.values()]
    lines = []
    for row in rows:
        figures = row["figures"]
        cells = [row["choice"], row["decode"], str(row["runs"])]
        cells += [_spread(figures[f"severity.{height}"], scale=10_000, digits=0) for height in range(heights)]
        cells += [_change(row, f"severity.{heights - 1}"), _spread(figures["mistake_severity"], digits=3)]
        cells += [_spread(figures[key], digits=3) for key in hds]
        cells += [_spread(figures[key], scale=100, digits=1) for key in PERCENT]
        lines.append(cells)
    return {"heads": heads, "lines": lines}


PERCENT = {
    "full_path_accuracy": "FPA, %",
    "tree_inconsistency": "TICE, %",
    "calibration_error": "calibration error, %",
    "calibrated_error": "after temperature, %",
}


def _place(cell: Cell) -> Place:
    choices = ((axis, choice) for axis, choice in cell.at.items() if axis != "seed")
    return (*choices, ("extra", cell.extra or ""))


def _over_seeds(told: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    return {key: asdict(t_interval([one[key] for one in told])) for key in told[0]}


def _spread(interval: Mapping[str, Any], *, scale: float = 1, digits: int) -> str:
    mean = f"{scale * interval['mean']:,.{digits}f}"
    return mean if interval["low"] is None else f"{mean} ± {scale * (interval['high'] - interval['mean']):,.{digits}f}"


def _change(row: Mapping[str, Any], measure: str) -> str:
    """By how many percent the row has more or fewer of them than the first row, mean against mean."""
    if row["against"] is None:
        return ""
    change = row["against"][measure]["mean"]
    return f"{100 * change / (row['figures'][measure]['mean'] - change):+.1f} %"
