"""The training loss as arrays, and as NumPy says it: what every engine must compute, in few lines.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

from dataclasses import dataclass

import numpy as np

from treehead.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """What an engine minimises. It knows no tree: the tree has been made into these arrays.

        total = sum_l level_weights[l] * losses[l]                                          (see `level_losses`)

    Shapes:
        targets: per level (K_l, K_l) float32, row y = target distribution of label y.
        level_weights: (L,).
        costs: per level (K_l, K_l) float32, costs[y, j] = severity of answering j; needed by the next two.
        marginal: (L,), weight of the cross-entropy of the leaf head's probabilities summed up to each level, and
            ancestors: (L, K) int64, the class of every leaf at each level, which they are summed by.
        class_weights: per level (K_l,), weight of an image by its label.
    Conventions: severity_alpha None leaves the cross-entropy unscaled; expected_severity is a weight, 0 for none.
    """

    targets: tuple[Array, ...]
    level_weights: Array
    costs: tuple[Array, ...] = ()
    severity_alpha: float | None = None
    expected_severity: float = 0.0
    marginal: Array | None = None
    ancestors: Array | None = None
    class_weights: tuple[Array, ...] | None = None


def level_losses(objective: Objective, logits: list[Array], labels: Array) -> Array:
    """What pulls at every head, as the mean over the images whose label is known at its level.

        ce[n]     = -sum_k targets[y, k] * log p[n, k]                                      p = softmax(logits)
        scaled    = ce[n] * (severity_alpha + costs[y, argmax p[n]])                        severity loss
        expected  = expected_severity * sum_k p[n, k] * costs[y, k]
        marginal  = -sum_l marginal[l] * sum_c targets[l][y_l, c] * log sum_{k below c} p[n, k]     leaf head alone

    Shapes: logits: per level (N, K_l); labels: (N, L) int, -1 where not known; returns (L,) float64, in nats.
    Conventions: an image counts with class_weights[y], but the mean divides by the number of known images; a level
        that no image knows has loss 0. The severity of the current answer is a constant to the gradient.
    Source: expected severity and soft targets: Bertinetto et al. 2020, arXiv:1912.09393, section 3.
    """
    log_probs = [_log_softmax(level) for level in logits]
    losses = [
        _mean_over_known(_head_loss(objective, level, log_probs[level], label), objective, level, label)
        for level, label in enumerate(labels.T)
    ]
    if objective.marginal is not None:
        losses[0] += _marginal_loss(objective, log_probs[0], labels)
    return np.array(losses)


def _head_loss(objective: Objective, level: int, log_probs: Array, label: Array) -> Array:
    loss = -(objective.targets[level][label] * log_probs).sum(axis=1)
    if objective.severity_alpha is not None:
        loss *= objective.severity_alpha + objective.costs[level][label, log_probs.argmax(axis=1)]
    if objective.expected_severity:
        cost = objective.costs[level][label]
        loss += objective.expected_severity * (np.exp(log_probs) * cost).sum(axis=1)
    return loss


def _marginal_loss(objective: Objective, log_probs: Array, labels: Array) -> float:
    assert objective.marginal is not None
    assert objective.ancestors is not None
    total = 0.0
    for level in np.flatnonzero(objective.marginal).tolist():
        size = len(objective.targets[level])
        below = (objective.ancestors[level][:, None] == np.arange(size)).astype(np.float64)
        log_sums = np.log(np.maximum(np.exp(log_probs) @ below, TINY))
        loss = -(objective.targets[level][labels[:, level]] * log_sums).sum(axis=1)
        total += objective.marginal[level] * _mean_over_known(loss, objective, level, labels[:, level])
    return total


TINY = 1e-30
"""Sums of probabilities are clipped here before a logarithm."""


def _mean_over_known(loss: Array, objective: Objective, level: int, label: Array) -> float:
    known = label >= 0
    weight = (
        known.astype(np.float64) if objective.class_weights is None else known * objective.class_weights[level][label]
    )
    return float((weight * loss).sum() / max(known.sum(), 1))


def _log_softmax(logits: Array) -> Array:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)  # unchanged, and exp cannot overflow
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
