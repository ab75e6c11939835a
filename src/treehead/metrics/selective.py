"""Answering only where the network is sure, or less deep in the tree where it is not.

Axes: N images, L levels from the leaves up, T thresholds. Confidence is the probability of the answer.
"""

import numpy as np

from treehead.records.run import SelectiveFigures
from treehead.types import Array

THRESHOLDS = (0.0, *(round(0.05 * step, 2) for step in range(4, 20)), 0.97, 0.99)
"""Confidences at which the back-off is told: 0, 0.2, 0.25, ... 0.95, 0.97, 0.99."""
COVERAGES = tuple(round(0.02 * step, 2) for step in range(1, 51))
"""Shares of the images at which a risk-coverage curve is told."""


def deepest_confident(confidences: Array, *, threshold: float) -> Array:
    """The deepest level whose confidence reaches `threshold`.

    Shapes: confidences: (N, L), leaves first; returns (N,) int: 0 the leaves, ... L where no level reaches it.
    """
    sure = confidences >= threshold
    return np.where(sure.any(axis=1), sure.argmax(axis=1), confidences.shape[1])


def risk_coverage(right: Array, confidence: Array) -> Array:
    """Share of wrong answers among the n most confident ones, for n = 1 ... N.

    Shapes: right: (N,) bool; confidence: (N,); returns (N,) float64: entry n - 1 is the risk at coverage n / N.
    Conventions: equally confident answers are in no order: each counts as wrong with the share of wrong ones among
        them, so the curve does not depend on the order of the images.
    Source: El-Yaniv & Wiener 2010, JMLR 11, section 2.
    """
    _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)  # most confident first
    wrong = np.bincount(group, weights=~right) / sizes
    return np.cumsum(np.repeat(wrong, sizes)) / np.arange(1, len(right) + 1)


def selective_figures(
    levels: tuple[str, ...], *, labels: Array, answers: Array, confidences: Array
) -> SelectiveFigures:
    """Risk against coverage per level, and the back-off at THRESHOLDS, as a value that JSON can hold.

        risk_coverage   per level: aurc; risk at each of `coverage`
        back_off        per threshold: `answered`, the share of images answered at each level; `coverage`, that of
                        those answered at all; `risk`, the share of wrong answers among them (None if there are none)

    Shapes: labels, answers: (N, L) class ids; confidences: (N, L).
    Conventions: a label of -1 is not known: risk and coverage of a level are of the images known there, the back-off is
        of those whose leaf is known.
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
    """Where COVERAGES lie on a curve of `count` images."""
    return np.ceil(np.array(COVERAGES) * count - 1e-9).astype(int) - 1


def _risk(right: Array, depth: Array) -> float | None:
    answered = np.flatnonzero(depth < right.shape[1])
    return float(1 - right[answered, depth[answered]].mean()) if len(answered) else None
