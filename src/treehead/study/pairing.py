"""Which runs of a study are held against which, and how their differences are judged.

- A comparison of two choices pairs the runs that agree in everything else, seed included, and takes the t interval
  of their differences (`metrics.intervals.t_interval`). What the pairs disagree in, seeds or other choices, is the
  noise that the interval is made of.
- The noise of a single run is the standard deviation between seeds within a cell, pooled over the cells. Without
  repeated seeds it is the residual of the additive model of all axes (Box, Hunter & Hunter 2005, Statistics for
  Experimenters, sections 5.6 and 5.10: interactions stand in for replicates), which can only be too large.
- An extra cell is paired with the cell it departs from; a single such pair is judged by that noise.
- An interaction is the difference of differences: how the effect of one choice changes with another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from treehead.metrics.intervals import Interval, known_noise_interval, t_interval
from treehead.study.grid import Cell


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of one run's figure, what it was estimated from, and with how many degrees of freedom."""

    deviation: float
    degrees: int
    source: str


def pairs_along(grid: Sequence[Cell], axis: str, first: str, second: str) -> list[tuple[str, str]]:
    """Names of cells that differ in this one choice alone."""
    by_place = {frozenset(cell.at.items()): cell.name for cell in grid}
    found = []
    for cell in grid:
        other = by_place.get(frozenset((cell.at | {axis: second}).items()))
        if cell.at.get(axis) == first and other:
            found.append((cell.name, other))
    return found


def quads_along(
    grid: Sequence[Cell], one: tuple[str, str, str], two: tuple[str, str, str]
) -> list[tuple[str, str, str, str]]:
    """(a, b, c, d): b is a with the second choice of `one`, c a with that of `two`, d with both."""
    across = dict(pairs_along(grid, *two))
    along = pairs_along(grid, *one)
    return [(a, b, across[a], across[b]) for a, b in along if one[0] != two[0] and a in across and b in across]


def extra_pairs(found: Sequence[Cell], extra: str) -> list[tuple[str, str]]:
    """Names of the cells an extra departs from, each with the extra."""
    plain = {frozenset(cell.at.items()): cell.name for cell in found if cell.extra is None}
    extras = [cell for cell in found if cell.extra == extra]
    return [(base, cell.name) for cell in extras if (base := plain.get(frozenset(cell.at.items())))]


def noise_of(grid: Sequence[Cell], values: Mapping[str, float]) -> Noise | None:
    """The noise of one run; see the head of this module. None where no degree of freedom is left."""
    repeats: dict[frozenset[tuple[str, str]], list[float]] = {}
    for cell in grid:
        place = frozenset((axis, choice) for axis, choice in cell.at.items() if axis != "seed")
        repeats.setdefault(place, []).append(values[cell.name])
    degrees = sum(len(group) - 1 for group in repeats.values())
    if degrees:
        squares = sum(len(group) * float(np.var(group)) for group in repeats.values())
        return Noise(float(np.sqrt(squares / degrees)), degrees, "seeds")
    if not grid:
        return None
    choices = sorted({item for cell in grid for item in cell.at.items()})
    design = np.array([[1.0, *(float(cell.at[axis] == choice) for axis, choice in choices)] for cell in grid])
    told = np.array([values[cell.name] for cell in grid])
    degrees = len(grid) - int(np.linalg.matrix_rank(design))
    if not degrees:
        return None
    rest = told - design @ np.linalg.lstsq(design, told, rcond=None)[0]
    return Noise(float(np.sqrt(rest @ rest / degrees)), degrees, "residual")


def judged(differences: Sequence[float], noise: Noise | None) -> dict[str, Any]:
    """The interval of some differences; a single one is judged by the noise of a run, where that is known."""
    interval: Interval = t_interval(differences)
    by = "pairs"
    if len(differences) == 1 and noise:
        interval = known_noise_interval(differences, deviation=noise.deviation, degrees=noise.degrees)
        by = noise.source
    return {**asdict(interval), "is_noise": interval.is_noise, "by": by}
