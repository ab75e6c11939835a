"""Guarantees asked and kept: back-off with a bounded error, and prediction sets, measured on the test images.

Axes: N images, L levels from the leaves up, K leaves.
"""

from collections.abc import Sequence

import numpy as np

from treehead.decode import confidences
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.intervals import binomial_interval
from treehead.metrics.selective import deepest_confident
from treehead.posterior.conformal import prediction_sets
from treehead.posterior.held_out import Calibration
from treehead.records.run import GuaranteeFigures, RiskControl, SetFigures
from treehead.types import Array, UserError

COVERAGES = (0.8, 0.9, 0.95, 0.99)


def guarantee_figures(
    calibration: Calibration, tree: LabelTree, *, nodes: Sequence[Array], answers: Array, labels: Array, decoder: str
) -> GuaranteeFigures:
    """What `--max-error` and `--set` promise, and what they give on the test images.

    Shapes: nodes: per level (N, K_l); answers, labels: (N, L) class ids, -1 where unknown; images without a known leaf
        are left out.
    Conventions: without held-out images, or with too few for a guarantee, it is left out. Nothing is promised for a
        decoder whose answers may contradict the tree.
    """
    full = labels[:, 0] >= 0
    nodes, answers, labels = [level[full] for level in nodes], answers[full], labels[full]
    return {
        "risk_control": _risk_control(calibration, tree, nodes, answers, labels, decoder),
        "sets": _sets(calibration, tree, nodes[0], labels[:, 0]),
    }


def _risk_control(
    calibration: Calibration, tree: LabelTree, nodes: list[Array], answers: Array, labels: Array, decoder: str
) -> list[RiskControl]:
    confidence = confidences(nodes, answers)
    figures: list[RiskControl] = []
    for asked, threshold in calibration.bounds(decoder).items():
        depth = deepest_confident(confidence, threshold=threshold)
        answered = np.flatnonzero(depth < len(tree.levels))
        wrong = int((answers != labels)[answered, depth[answered]].sum())
        low, high = binomial_interval(wrong, len(labels))
        figures.append(
            {
                "max_error": asked,
                "threshold": threshold,
                "error": wrong / len(labels),
                "low": low,
                "high": high,
                "answered": {name: float((depth == level).mean()) for level, name in enumerate(tree.levels)},
            }
        )
    return figures


def _sets(calibration: Calibration, tree: LabelTree, leaves: Array, labels: Array) -> list[SetFigures]:
    figures: list[SetFigures] = []
    for asked in COVERAGES:
        try:
            threshold = calibration.set_threshold(asked)
        except UserError:
            continue
        rows = np.arange(len(labels))
        inside = leaves >= threshold
        inside[rows, leaves.argmax(axis=1)] = True
        held = int(inside[rows, labels].sum())
        low, high = binomial_interval(held, len(labels))
        sets = prediction_sets(leaves, tree, threshold=threshold)
        figures.append(
            {
                "asked": asked,
                "threshold": threshold,
                "coverage": held / len(labels),
                "low": low,
                "high": high,
                "nodes": float(np.mean([len(nodes) for nodes in sets])),
                "leaves": float(inside.sum(axis=1).mean()),
            }
        )
    return figures
