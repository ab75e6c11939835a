"""How severe a study's mistakes are: a row per choice and decoder, averaged over its seeds.

All rows are compared with the first one: the first choice on every axis, with the decoder `independent`. Differences
are paired by seed, because two runs of one seed start from the same weights and see the same batches.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from treehead.decode import DECODERS
from treehead.metrics.intervals import t_interval
from treehead.records.run import Metrics
from treehead.records.study import IntervalRecord, MistakeRow, TextTable
from treehead.study.grid import Cell

Place: TypeAlias = tuple[tuple[tuple[str, str], ...], str]
"""A cell's choices without its seed, and its extra."""
FIRST_DECODER = "independent"


def mistake_rows(runs: Sequence[tuple[Cell, Metrics]]) -> list[MistakeRow]:
    """A row per place in the grid and decoder, in the order of the cells.

    Shapes: runs: the finished cells, each with its metrics.json.
    Conventions: empty if the runs' trees differ, because severities of different trees are not comparable, or if a
        run was measured by a version without the table of decoders.
    """
    trees = {(metrics["tree"], *metrics["levels"]) for _, metrics in runs}
    if len(trees) != 1 or not all("decoders" in metrics for _, metrics in runs):
        return []
    places: dict[Place, dict[str, Metrics]] = {}
    for cell, metrics in runs:
        place = tuple(item for item in cell.choices.items() if item[0] != "seed"), cell.extra or ""
        places.setdefault(place, {})[cell.choices.get("seed", "")] = metrics
    baseline = {seed: figures_of(metrics, FIRST_DECODER) for seed, metrics in next(iter(places.values())).items()}
    rows: list[MistakeRow] = []
    for place, by_seed in places.items():
        for decoder in DECODERS:
            figures = {seed: figures_of(metrics, decoder) for seed, metrics in by_seed.items()}
            rows.append(_row(place, decoder, figures, baseline if rows else {}))
    return rows


def _row(
    place: Place, decoder: str, figures: Mapping[str, dict[str, float]], baseline: Mapping[str, dict[str, float]]
) -> MistakeRow:
    """Shapes: figures, baseline: by seed."""
    choices, extra = place
    shared = [seed for seed in figures if seed in baseline]
    differences = [{key: figures[seed][key] - value for key, value in baseline[seed].items()} for seed in shared]
    return {
        "choice": ", ".join([*(choice for _, choice in choices), *([extra] if extra else [])]) or "the study",
        "at": dict(choices),
        "extra": extra,
        "decode": decoder,
        "runs": len(figures),
        "figures": _over_seeds(list(figures.values())),
        "against": _over_seeds(differences) if differences else None,
    }


def figures_of(metrics: Metrics, decoder: str) -> dict[str, float]:
    """One run's figures under one decoder.

    Conventions: `severity.N`, accuracies, inconsistency and calibration errors are fractions of the images in [0, 1];
        mistake severities are means over the mistakes, 0 without a mistake; `hd.K` is the mean severity of the K most
        probable answers.
    """
    decoded, leaf = metrics["decoders"][decoder], metrics["levels"][0]
    counts = decoded["severity_counts"]
    return {
        "accuracy": decoded["accuracy"][leaf],
        **{f"severity.{height}": count / sum(counts) for height, count in enumerate(counts)},
        "mistake_severity": decoded["mistake_severity"] or 0.0,
        **{f"hd.{k}": value for k, value in decoded["hd"].items()},
        "full_path_accuracy": decoded["full_path_accuracy"],
        "tree_inconsistency": decoded["tree_inconsistency"],
        "calibration_error": metrics["calibration"]["before"]["calibration_error"][leaf],
        "calibrated_error": metrics["calibration"]["after"]["calibration_error"][leaf],
        **({"haf5.mistake_severity": decoded["haf5"]["mistake_severity"] or 0.0} if "haf5" in decoded else {}),
    }


PERCENT = {
    "full_path_accuracy": "FPA, %",
    "tree_inconsistency": "TICE, %",
    "calibration_error": "calibration error, %",
    "calibrated_error": "calibrated, %",
}


def mistakes_table(rows: Sequence[MistakeRow]) -> TextTable:
    """The rows as text: means, with half the width of the interval over the seeds if there are several; severities as
    numbers of images in 10,000."""
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


def _over_seeds(figures: Sequence[Mapping[str, float]]) -> dict[str, IntervalRecord]:
    return {key: _interval([one[key] for one in figures]) for key in figures[0]}


def _interval(values: Sequence[float]) -> IntervalRecord:
    interval = t_interval(values)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}


def _spread(interval: IntervalRecord, *, scale: float = 1, digits: int) -> str:
    mean = f"{scale * interval['mean']:,.{digits}f}"
    if interval["high"] is None:
        return mean
    return f"{mean} ± {scale * (interval['high'] - interval['mean']):,.{digits}f}"


def _change(row: MistakeRow, figure: str) -> str:
    """The relative difference to the first row, mean against mean, in percent."""
    if row["against"] is None:
        return ""
    change = row["against"][figure]["mean"]
    return f"{100 * change / (row['figures'][figure]['mean'] - change):+.1f} %"
