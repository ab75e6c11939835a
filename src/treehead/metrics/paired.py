"""Paired comparison of two sets of predictions on the same images: differences with intervals, and McNemar's test.

Axes: N images, R resamples, C columns of a measure. Fractions are in [0, 1].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.metrics import flat, hierarchical
from treehead.metrics.summary import HD_KS
from treehead.types import Array, UserError

BLOCK = 100
"""Number of resamples in memory at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """A metric as a function of means over the images, so that it can be computed for any resample.

    Shapes: columns: (N, C), the contribution of every image; value: (R, C) means -> (R,) metrics.
    """

    columns: Array
    value: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of both sides, and `second - first` with its interval."""

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval includes 0: the choice of the images may explain the difference."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class McNemar:
    """Number of images that only the first, and only the second, answered right; p is two-sided."""

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the same images. `differences` are second minus first; a McNemar test per level, leaves first.

    known: number of images labelled at each level; the level's figures and test are over these.
    """

    images: int
    known: dict[str, int]
    differences: list[Difference]
    mcnemar: dict[str, McNemar]


def measures(
    tree: LabelTree, *, labels: Array, answers: Array, probabilities: list[Array], leaf_scores: Array
) -> dict[str, Measure]:
    """Every metric of `metrics.summary.summarise` as a `Measure`, by the same name.

    Shapes: labels, answers: (N, L) class ids; probabilities: per level (N, K_l); leaf_scores: (N, K).
    Conventions: severity counts are fractions of all images; mistake severity is 0 without a mistake. A label of -1 is
        unknown and is left out as in `summarise`.
    """
    values: dict[str, Measure] = {}
    for i, level in enumerate(tree.levels):
        known = labels[:, i] >= 0
        for name, measure in _of_level(labels[known, i], answers[known, i], probabilities[i][known]).items():
            values[f"{name}.{level}"] = _over(known, measure)
    full = labels[:, 0] >= 0
    along = _along_the_tree(tree, labels[full], answers[full], leaf_scores[full])
    values |= {name: _over(full, measure) for name, measure in along.items()}
    values["tree_inconsistency"] = _mean((answers != tree.ancestors[:, answers[:, 0]].T).any(axis=1))
    return values


def _of_level(truth: Array, answers: Array, shares: Array) -> dict[str, Measure]:
    best = flat.ranked(shares, min(5, shares.shape[1]))
    return {
        "accuracy": _mean(answers == truth),
        "top5": _mean((best == truth[:, None]).any(axis=1)),
        "loss": _mean(-np.log(np.maximum(shares[np.arange(len(truth)), truth], flat.SMALLEST))),
        "calibration_error": Measure(flat.calibration_gaps(truth, shares), lambda means: np.abs(means).sum(axis=1)),
    }


def _along_the_tree(tree: LabelTree, labels: Array, answers: Array, leaf_scores: Array) -> dict[str, Measure]:
    severity = hierarchical.severities(tree.heights, labels[:, 0], answers[:, 0])
    values = {f"severity_{height}": _mean(severity == height) for height in range(len(tree.levels) + 1)}
    values["mistake_severity"] = Measure(
        np.stack([severity, severity > 0], axis=1).astype(np.float64),
        lambda means: np.where(means[:, 1] > 0, means[:, 0] / np.maximum(means[:, 1], 1 / len(labels)), 0.0),
    )
    for k in (k for k in HD_KS if k <= tree.num_leaves):
        values[f"hd.{k}"] = _mean(tree.heights[labels[:, :1], flat.ranked(leaf_scores, k)].mean(axis=1))
    values["full_path_accuracy"] = _mean((labels == answers).all(axis=1))
    return values


def _mean(per_image: Array) -> Measure:
    return Measure(per_image.astype(np.float64)[:, None], lambda means: means[:, 0])


def _over(known: Array, measure: Measure) -> Measure:
    """A measure of the labelled images, from means over all images divided by the fraction that is labelled.

    Shapes: known: (N,) bool; measure.columns: (M, C), of the M known ones; returns N rows. NaN for a resample
        without a labelled image.
    """
    if known.all():
        return measure
    columns = np.zeros((len(known), measure.columns.shape[1] + 1))
    columns[known, :-1], columns[:, -1] = measure.columns, known

    def value(means: Array) -> Array:
        share = means[:, -1]
        of_known = measure.value(means[:, :-1] / np.maximum(share, 1 / len(known))[:, None])
        return np.where(share > 0, of_known, np.nan)

    return Measure(columns, value)


def paired_differences(
    first: Mapping[str, Measure],
    second: Mapping[str, Measure],
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> list[Difference]:
    """Every metric of both and its difference, with a bootstrap interval over the test images.

    Conventions: N images are drawn with replacement num_resamples times, the same ones for both (that is what makes
        it paired); the interval runs between the percentiles (1 -+ confidence) / 2 of the resampled differences. It
        holds for these two trained networks on other images of this kind, not for training them again. A resample
        without a labelled image at a level is left out of that level.
    Raises: UserError: the two have different metrics or numbers of images.
    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, sections 8.3 and 13.3 (percentile interval).
    """
    if first.keys() != second.keys():
        raise UserError("the two runs have different metrics and cannot be compared")
    columns = [np.concatenate([m.columns for m in side.values()], axis=1) for side in (first, second)]
    if len(columns[0]) != len(columns[1]):
        raise UserError(f"{len(columns[0])} images cannot be paired with {len(columns[1])}")
    rng = np.random.default_rng(seed)
    whole = np.full((1, len(columns[0])), 1 / len(columns[0]))
    points = [_values(side, whole @ table) for side, table in zip((first, second), columns, strict=True)]
    resampled = []
    for start in range(0, num_resamples, BLOCK):
        shares = _draws(rng, min(BLOCK, num_resamples - start), len(whole[0]))
        one, two = (_values(side, shares @ table) for side, table in zip((first, second), columns, strict=True))
        resampled.append(two - one)
    tail = 100 * (1 - confidence) / 2
    low, high = np.nanpercentile(np.concatenate(resampled), [tail, 100 - tail], axis=0)
    return [
        Difference(name, float(a), float(b), float(b - a), float(lowest), float(highest))
        for name, a, b, lowest, highest in zip(first, points[0][0], points[1][0], low, high, strict=True)
    ]


def _draws(rng: np.random.Generator, number: int, num_images: int) -> Array:
    """Weight of every image in each resample. Returns: (number, N), rows sum to 1."""
    drawn = rng.integers(num_images, size=(number, num_images)) + num_images * np.arange(number)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=number * num_images)
    return counts.reshape(number, num_images) / num_images


def _values(side: Mapping[str, Measure], means: Array) -> Array:
    """Shapes: means: (R, all columns side by side); returns (R, metrics)."""
    values, start = [], 0
    for measure in side.values():
        stop = start + measure.columns.shape[1]
        values.append(measure.value(means[:, start:stop]))
        start = stop
    return np.stack(values, axis=1)


def mcnemar(first_right: Array, second_right: Array) -> McNemar:
    """McNemar's test: whether two classifiers are equally often right on the same images.

        p = min(1, 2 * sum_{k <= min(b, c)} C(b + c, k) / 2^(b + c))

    Shapes: first_right, second_right: (N,) bool.
    Conventions: b and c are the numbers of images that only one of the two answered right; the exact binomial test
        in integer arithmetic, not the chi-square approximation. p = 1 where the two never disagree.
    Source: McNemar 1947, Psychometrika 12(2); for classifiers: Dietterich 1998, Neural Computation 10(7).
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    disagreements = only_first + only_second
    tail = sum(comb(disagreements, k) for k in range(min(only_first, only_second) + 1))
    return McNemar(only_first, only_second, min(1.0, 2 * tail / 2**disagreements))
