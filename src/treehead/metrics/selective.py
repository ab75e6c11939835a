"""Selective prediction: risk-coverage curves, and answers at the deepest level that reaches a confidence threshold.

Axes: N images, L levels from the leaves up, T thresholds. Confidence is the probability of the answer.
"""

import numpy as np

from treehead.records.run import SelectiveFigures
from treehead.types import Array

THRESHOLDS = (0.0, *(round(0.05 * step, 2) for step in range(4, 20)), 0.97, 0.99)
"""Confidence thresholds of the back-off: 0, 0.2, 0.25, ... 0.95, 0.97, 0.99."""
COVERAGES = tuple(round(0.02 * step, 2) for step in range(1, 51))
"""Fractions of the images at which a risk-coverage curve is sampled."""


def deepest_confident(confidences: Array, *, threshold: float) -> Array:
    """The deepest level whose confidence reaches `threshold`.

    Shapes: confidences: (N, L), leaves first; returns (N,) int: 0 the leaves, ... L where no level reaches it.
    """
    confident = confidences >= threshold
    return np.where(confident.any(axis=1), confident.argmax(axis=1), confidences.shape[1])


def risk_coverage(right: Array, confidence: Array) -> Array:
    """Error rate of the n most confident answers, for n = 1 ... N.

    Shapes: right: (N,) bool; confidence: (N,); returns (N,) float64: entry n - 1 is the risk at coverage n / N.
    Conventions: each of several equally confident answers counts with their mean error rate, so that the curve does
        not depend on the order of the images.
    Source: El-Yaniv & Wiener 2010, JMLR 11, section 2.
    """
    _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)  # most confident first
    wrong = np.bincount(group, weights=~right) / sizes
    return np.cumsum(np.repeat(wrong, sizes)) / np.arange(1, len(right) + 1)


def selective_figures(
    levels: tuple[str, ...], *, labels: Array, answers: Array, confidences: Array
) -> SelectiveFigures:
    """The risk-coverage curve of every level, and the back-off at `THRESHOLDS`.

    Shapes: labels, answers: (N, L) class ids; confidences: (N, L).
    Conventions: a label of -1 is unknown: the curve of a level is over the images labelled at that level, the back-off
        over those with a labelled leaf.
    Source: aurc: Geifman et al. 2019, arXiv:1805.08206, section 2.
    """
    right, known = labels == answers, labels >= 0
    curves = {
        level: risk_coverage(right[at, i], confidences[at, i])
        for i, (level, at) in enumerate(zip(levels, known.T, strict=True))
    }
    right, confidences = right[known[:, 0]], confidences[known[:, 0]]
    steps = [deepest_confident(confidences, threshold=threshold) for threshold in THRESHOLDS]
    return {
        "risk_coverage": {
            "coverage": list(COVERAGES),
            "risk": {level: curve[_places(len(curve))].tolist() for level, curve in curves.items()},
            "aurc": {level: float(curve.mean()) for level, curve in curves.items()},
        },
        "back_off": {
            "threshold": list(THRESHOLDS),
            "answered": {level: [float((depth == i).mean()) for depth in steps] for i, level in enumerate(levels)},
            "coverage": [float((depth < len(levels)).mean()) for depth in steps],
            "risk": [_risk(right, depth) for depth in steps],
        },
    }


def _places(count: int) -> Array:
    """Indices of `COVERAGES` on a curve of `count` images."""
    return np.ceil(np.array(COVERAGES) * count - 1e-9).astype(int) - 1


def _risk(right: Array, depth: Array) -> float | None:
    answered = np.flatnonzero(depth < right.shape[1])
    return float(1 - right[answered, depth[answered]].mean()) if len(answered) else None
