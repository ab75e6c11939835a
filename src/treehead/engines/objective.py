"""The training objective as arrays, and its losses in NumPy with their gradients.

The scratch engine trains with these losses, and every validation is computed by them. `engines.pytorch.loss` computes
the same ones on the device.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from treehead.types import Array, UserError

LossBackward: TypeAlias = Callable[[Array], list[Array]]
"""(L,) weights of the levels' losses -> the gradient of their weighted sum for the logits, per level (N, K_l)."""

Term: TypeAlias = tuple[float, Callable[[], Array]]
"""A loss, and the function that computes its gradient for the logits of one head, (N, K_l) float64."""

TINY = 1e-30
"""Sums of probabilities are clipped to this before a logarithm."""


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """The loss that training minimises, as arrays.

    Each head has a loss, and training minimises their sum, weighted by `loss.level_weights` of the config.

        ce[n]     = -sum_k targets[y, k] * log p[n, k]                                      p = softmax(logits)
        scaled    = ce[n] * (severity_alpha + costs[y, argmax p[n]])                        if severity_alpha is given
        expected  = expected_severity * sum_k p[n, k] * costs[y, k]                         added, unless 0
        marginal  = -sum_l marginal[l] * sum_c targets[l][y_l, c] * log sum_{k below c} p[n, k]      added, leaf head

    Lists and arrays over the levels go from the leaves up.

    Args:
        targets: Per level (K_l, K_l) float; row y is the target distribution of label y.
        costs: Per level (K_l, K_l) float; `costs[y, j]` is the cost of answering j. Needed by the next two.
        severity_alpha: Added to the cost of the current answer to scale the cross-entropy; None leaves it unscaled.
        expected_severity: Weight of the expected cost.
        marginal: (L,) weight, per level, of the cross-entropy of the leaf probabilities summed up to that level.
        ancestors: (L, K) int, the class of every leaf at each level. Needed by `marginal`.
        class_weights: Per level (K_l,), the weight of an image by its label.
    """

    targets: tuple[Array, ...]
    costs: tuple[Array, ...] = ()
    severity_alpha: float | None = None
    expected_severity: float = 0.0
    marginal: Array | None = None
    ancestors: Array | None = None
    class_weights: tuple[Array, ...] | None = None


def check_objective(objective: Objective, levels: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    """Raises: UserError: an array of the objective is missing or does not fit levels of sizes[l] classes."""
    square, num_levels = [(size, size) for size in sizes], len(sizes)
    needs_costs = objective.severity_alpha is not None or objective.expected_severity != 0
    _check_shapes("targets", objective.targets, square, levels)
    if needs_costs or objective.costs:
        _check_shapes("costs", objective.costs, square, levels)
    if objective.class_weights is not None:
        _check_shapes("class_weights", objective.class_weights, [(size,) for size in sizes], levels)
    if objective.marginal is not None:
        _check_shapes("marginal", (objective.marginal,), [(num_levels,)], ("all levels",))
        ancestors = () if objective.ancestors is None else (objective.ancestors,)
        _check_shapes("ancestors", ancestors, [(num_levels, sizes[0])], ("all levels",))


def _check_shapes(
    name: str, arrays: tuple[Array, ...], expected: list[tuple[int, ...]], levels: tuple[str, ...]
) -> None:
    if len(arrays) != len(expected):
        raise UserError(f"objective.{name} has {len(arrays)} arrays, expected {len(expected)}: {', '.join(levels)}")
    for array, shape, level in zip(arrays, expected, levels, strict=True):
        if np.shape(array) != shape:
            raise UserError(f"objective.{name} of {level} has the shape {np.shape(array)}, expected {shape}")


@dataclass(frozen=True, slots=True, eq=False)
class MixedLabels:
    """Labels of images that may contain a part of another image.

    Shapes: own, partner: (N, L) int64, -1 where not known; share: (N,), the partner's fraction of the image.
    """

    own: Array
    partner: Array
    share: Array


def level_losses(objective: Objective, logits: list[Array], labels: Array) -> Array:
    """The loss of every head on unmixed images; see `level_losses_with_backward`.

    Shapes: logits: per level (N, K_l); labels: (N, L) int, -1 where not known; returns (L,) float64, in nats.
    """
    return level_losses_with_backward(objective, logits, MixedLabels(labels, labels, np.zeros(len(labels))))[0]


def level_losses_with_backward(
    objective: Objective, logits: list[Array], labels: MixedLabels
) -> tuple[Array, LossBackward]:
    """The loss of every head, see `Objective` for its terms, and the function that gives the gradients.

        loss = sum_parts sum_n w[n] * loss[n] / max(sum_parts sum_n share[n] * known[n], 1)

    Shapes: logits: per level (N, K_l); returns (L,) float64, in nats; gradients have the logits' dtype.
    Conventions: float64 inside. w = share * known * class weight, so the mean divides by the number of known images and
        not by the sum of their weights; a level that no image knows has loss 0. A mixed image counts as both images, by
        their shares. The cost of the current answer is a constant to the gradient.
    Source: expected severity and soft targets: Bertinetto et al. 2020, arXiv:1912.09393, section 3.
    """
    log_probs = [_log_softmax(level) for level in logits]
    heads = [_head_loss(objective, level, log_probs[level], labels) for level in range(len(logits))]
    marginals = _marginal_losses(objective, log_probs[0], labels)
    losses = np.array([loss for loss, _ in heads])
    losses[0] += sum(loss for loss, _ in marginals)

    def backward(level_weights: Array) -> list[Array]:
        gradients = [gradient() for _, gradient in heads]
        for _, gradient in marginals:
            gradients[0] += gradient()
        return [
            z.dtype.type(weight) * dz.astype(z.dtype)
            for z, dz, weight in zip(logits, gradients, level_weights, strict=True)
        ]

    return losses, backward


def _head_loss(objective: Objective, level: int, log_probs: Array, labels: MixedLabels) -> Term:
    """Mean of gain * ce + expected_severity * expected, and its gradient.

    ce       = -sum_k t[k] * log p[k]            dce/dz = p * sum_k t[k] - t
    expected = sum_k p[k] * cost[k]              dexpected/dz = p * (cost - expected)
    gain     = 1, or severity_alpha + cost[argmax p], a constant to the gradient
    """
    parts, probs, weight_of_cost = _parts(objective, level, labels), np.exp(log_probs), objective.expected_severity
    gains = [_gain(objective, level, log_probs, label) for label, _ in parts]

    def target(label: Array) -> Array:
        return objective.targets[level][label].astype(np.float64)

    def expected(label: Array) -> tuple[Array, Array]:
        cost = objective.costs[level][label].astype(np.float64)
        return cost, (probs * cost).sum(axis=1)

    def gradient() -> Array:
        dz = np.zeros_like(log_probs)
        for (label, weight), gain in zip(parts, gains, strict=True):
            t = target(label)
            dloss = gain[:, None] * (probs * t.sum(axis=1, keepdims=True) - t)
            if weight_of_cost:
                cost, mean = expected(label)
                dloss += weight_of_cost * probs * (cost - mean[:, None])
            dz += weight[:, None] * dloss
        return dz

    total = 0.0
    for (label, weight), gain in zip(parts, gains, strict=True):
        loss = -gain * (target(label) * log_probs).sum(axis=1)
        if weight_of_cost:
            loss += weight_of_cost * expected(label)[1]
        total += float(weight @ loss)
    return total, gradient


def _gain(objective: Objective, level: int, log_probs: Array, label: Array) -> Array:
    """(N,) what the cross-entropy is multiplied by."""
    if objective.severity_alpha is None:
        return np.ones(len(label))
    return objective.severity_alpha + objective.costs[level][label, log_probs.argmax(axis=1)]


def _marginal_losses(objective: Objective, log_probs: Array, labels: MixedLabels) -> list[Term]:
    """The marginal term of every level that has a weight."""
    if objective.marginal is None:
        return []
    levels = np.flatnonzero(objective.marginal).tolist()
    return [_marginal_loss(objective, level, np.exp(log_probs), labels) for level in levels]


def _marginal_loss(objective: Objective, level: int, probs: Array, labels: MixedLabels) -> Term:
    """Weighted mean cross-entropy of leaf probabilities summed up to a level, and its gradient for the leaf logits.

    s[c] = sum_{k below c} p[k];  loss = -sum_c t[c] * log s[c]
    dloss/dp[k] = -t[c] / s[c] for the c above k;  dloss/dz = p * (dp - sum_k p * dp)
    """
    assert objective.marginal is not None
    assert objective.ancestors is not None
    scale, class_of = float(objective.marginal[level]), objective.ancestors[level]
    below = (class_of[:, None] == np.arange(len(objective.targets[level]))).astype(np.float64)
    sums, parts = probs @ below, _parts(objective, level, labels)
    clipped = np.maximum(sums, TINY)

    def gradient() -> Array:
        dprobs = np.zeros_like(probs)
        for label, weight in parts:
            dsums = np.where(sums > TINY, -objective.targets[level][label] / clipped, 0)
            dprobs += weight[:, None] * dsums[:, class_of]
        return scale * probs * (dprobs - (probs * dprobs).sum(axis=1, keepdims=True))

    losses = [weight @ -(objective.targets[level][label] * np.log(clipped)).sum(axis=1) for label, weight in parts]
    return scale * float(sum(losses)), gradient


def _parts(objective: Objective, level: int, labels: MixedLabels) -> list[tuple[Array, Array]]:
    """(label, weight in the mean), (N,) each: of the image itself, and of its partner where any is mixed in."""
    shares = [(labels.own[:, level], 1 - labels.share.astype(np.float64))]
    if labels.share.any():
        shares.append((labels.partner[:, level], labels.share.astype(np.float64)))
    known = [(label, share * (label >= 0)) for label, share in shares]
    count = max(sum(share.sum() for _, share in known), 1)
    classes = objective.class_weights
    return [(label, share / count * (1 if classes is None else classes[level][label])) for label, share in known]


def _log_softmax(logits: Array) -> Array:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)  # softmax is unchanged, exp cannot overflow
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
