"""Which runs of a study are compared with which, and the confidence intervals of their differences.

- A comparison of two choices pairs the runs that agree in everything else, seed included, and takes the t interval
  of their differences (`metrics.intervals.t_interval`). The variation of the differences over the other choices and
  the seeds is the noise that the interval is estimated from.
- The noise of a single run is the standard deviation between seeds within a cell, pooled over the cells. Without
  repeated seeds it is the residual of the additive model of all axes (Box, Hunter & Hunter 2005, Statistics for
  Experimenters, sections 5.6 and 5.10: interactions replace replicates), which is an upper estimate.
- An extra cell is paired with its base, the cell with the same choices; the interval of a single such pair is
  estimated from the noise of a single run.
- An interaction is the difference of differences: how the effect of one choice changes with another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from treehead.metrics.intervals import known_noise_interval, t_interval
from treehead.records.study import JudgedDifference, NoiseRecord, NoiseSource
from treehead.study.grid import Cell, Comparison


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of one run's figure, its degrees of freedom, and what it is estimated from."""

    deviation: float
    degrees: int
    source: NoiseSource

    def record(self) -> NoiseRecord:
        """As summary.json has it."""
        return {"deviation": self.deviation, "degrees": self.degrees, "source": self.source}


def pairs_along(grid: Sequence[Cell], comparison: Comparison) -> list[tuple[str, str]]:
    """Names of cells that differ in this choice alone: first choice, second choice."""
    axis, first, second = comparison
    by_choices = {frozenset(cell.choices.items()): cell.name for cell in grid}
    pairs = []
    for cell in grid:
        other = by_choices.get(frozenset((cell.choices | {axis: second}).items()))
        if cell.choices.get(axis) == first and other:
            pairs.append((cell.name, other))
    return pairs


def quads_along(grid: Sequence[Cell], one: Comparison, two: Comparison) -> list[tuple[str, str, str, str]]:
    """(a, b, c, d): b is a with the second choice of `one`, c a with that of `two`, d with both."""
    across = dict(pairs_along(grid, two))
    along = pairs_along(grid, one)
    return [(a, b, across[a], across[b]) for a, b in along if one[0] != two[0] and a in across and b in across]


def extra_pairs(finished: Sequence[Cell], extra: str) -> list[tuple[str, str]]:
    """Names of the extra's cells, each after its base."""
    grid = {frozenset(cell.choices.items()): cell.name for cell in finished if cell.extra is None}
    extras = [cell for cell in finished if cell.extra == extra]
    return [(base, cell.name) for cell in extras if (base := grid.get(frozenset(cell.choices.items())))]


def noise_of(grid: Sequence[Cell], values: Mapping[str, float]) -> Noise | None:
    """The noise of one run; see the head of this module. None if no degree of freedom is left."""
    return _noise_of_seeds(grid, values) or _noise_of_residuals(grid, values)


def _noise_of_seeds(grid: Sequence[Cell], values: Mapping[str, float]) -> Noise | None:
    """The standard deviation within cells that differ in the seed alone, pooled."""
    repeats: dict[frozenset[tuple[str, str]], list[float]] = {}
    for cell in grid:
        choices = frozenset((axis, choice) for axis, choice in cell.choices.items() if axis != "seed")
        repeats.setdefault(choices, []).append(values[cell.name])
    degrees = sum(len(group) - 1 for group in repeats.values())
    if not degrees:
        return None
    squares = sum(len(group) * float(np.var(group)) for group in repeats.values())
    return Noise(float(np.sqrt(squares / degrees)), degrees, "seeds")


def _noise_of_residuals(grid: Sequence[Cell], values: Mapping[str, float]) -> Noise | None:
    """The standard deviation of the residuals of the least-squares fit of one effect per choice."""
    if not grid:
        return None
    choices = sorted({item for cell in grid for item in cell.choices.items()})
    design = np.array([[1.0, *(float(cell.choices[axis] == choice) for axis, choice in choices)] for cell in grid])
    observed = np.array([values[cell.name] for cell in grid])
    degrees = len(grid) - int(np.linalg.matrix_rank(design))
    if not degrees:
        return None
    residuals = observed - design @ np.linalg.lstsq(design, observed, rcond=None)[0]
    return Noise(float(np.sqrt(residuals @ residuals / degrees)), degrees, "residual")


def judged(differences: Sequence[float], noise: Noise | None = None) -> JudgedDifference:
    """Mean and interval of differences; that of a single one from the noise of a run, if it is known."""
    interval, by = t_interval(differences), "pairs"
    if len(differences) == 1 and noise:
        interval = known_noise_interval(differences, deviation=noise.deviation, degrees=noise.degrees)
        by = noise.source
    return {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "is_noise": interval.contains_zero,
        "by": by,
    }
