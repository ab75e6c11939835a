"""The losses of every head and what they ask of its logits. `engines.objective.level_losses` has the plain formula.

B batch, L levels, K_l classes of level l.
"""

from dataclasses import dataclass

import numpy as np

from treehead.engines.objective import TINY, Objective
from treehead.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class MixedLabels:
    """Labels of images that may hold a part of another one.

    Shapes: own, partner: (B, L) int64, -1 where not known; share: (B,), how much of the image is its partner's.
    """

    own: Array
    partner: Array
    share: Array


def head_losses(objective: Objective, logits: list[Array], labels: MixedLabels) -> tuple[Array, list[Array]]:
    """The loss of every head, and its gradient for that head's logits.

        p = softmax(z);  loss = sum_parts sum_n w[n] * loss[n] / max(sum_parts sum_n share[n] * known[n], 1)

    Shapes: logits: per level (B, K_l). Returns: ((L,) float64 in nats, per level (B, K_l) of the logits' dtype).
    Conventions: float64 inside. A mixed image counts as both, by their shares; w = share * known * class weight.
        The marginal terms belong to the leaf head.
    """
    losses, gradients = np.zeros(len(logits)), []
    for level, z in enumerate(logits):
        shifted = z.astype(np.float64) - z.max(axis=1, keepdims=True)  # softmax is unchanged, exp cannot overflow
        log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses[level], dz = _own_loss(objective, level, log_probs, labels)
        if level == 0 and objective.marginal is not None:
            for above in np.flatnonzero(objective.marginal).tolist():
                loss, dabove = _marginal_loss(objective, above, np.exp(log_probs), labels)
                losses[0] += objective.marginal[above] * loss
                dz += objective.marginal[above] * dabove
        gradients.append(dz.astype(z.dtype))
    return losses, gradients


def _own_loss(objective: Objective, level: int, log_probs: Array, labels: MixedLabels) -> tuple[float, Array]:
    """Mean of gain * ce + expected_severity * expected, and its gradient.

    ce       = -sum_k t[k] * log p[k]            dce/dz = p * sum_k t[k] - t
    expected = sum_k p[k] * cost[k]              dexpected/dz = p * (cost - expected)
    gain     = 1, or severity_alpha + cost[argmax p], a constant to the gradient
    """
    total, dz, probs = 0.0, np.zeros_like(log_probs), np.exp(log_probs)
    for label, weight in _parts(objective, level, labels):
        targets = objective.targets[level][label].astype(np.float64)
        gain = np.ones(len(label))
        if objective.severity_alpha is not None:
            gain = objective.severity_alpha + objective.costs[level][label, log_probs.argmax(axis=1)]
        loss = -gain * (targets * log_probs).sum(axis=1)
        dloss = gain[:, None] * (probs * targets.sum(axis=1, keepdims=True) - targets)
        if objective.expected_severity:
            cost = objective.costs[level][label].astype(np.float64)
            expected = (probs * cost).sum(axis=1)
            loss += objective.expected_severity * expected
            dloss += objective.expected_severity * probs * (cost - expected[:, None])
        total += float(weight @ loss)
        dz += weight[:, None] * dloss
    return total, dz


def _marginal_loss(objective: Objective, level: int, probs: Array, labels: MixedLabels) -> tuple[float, Array]:
    """Mean cross-entropy of leaf probabilities summed up to a level, and its gradient for the leaf logits.

    s[c] = sum_{k below c} p[k];  loss = -sum_c t[c] * log s[c]
    dloss/dp[k] = -t[c] / s[c] for the c above k;  dloss/dz = p * (dp - sum_k p * dp)
    """
    assert objective.ancestors is not None
    above = objective.ancestors[level]
    below = (above[:, None] == np.arange(len(objective.targets[level]))).astype(np.float64)
    sums = probs @ below
    clipped = np.maximum(sums, TINY)
    total, dprobs = 0.0, np.zeros_like(probs)
    for label, weight in _parts(objective, level, labels):
        targets = objective.targets[level][label]
        total += float(weight @ -(targets * np.log(clipped)).sum(axis=1))
        dsums = np.where(sums > TINY, -targets / clipped, 0)
        dprobs += weight[:, None] * dsums[:, above]
    return total, probs * (dprobs - (probs * dprobs).sum(axis=1, keepdims=True))


def _parts(objective: Objective, level: int, labels: MixedLabels) -> list[tuple[Array, Array]]:
    """The labels an image has, and what each weighs in the mean: its own, and its partner's where any is mixed in."""
    shares = [(labels.own[:, level], 1 - labels.share.astype(np.float64))]
    if labels.share.any():
        shares.append((labels.partner[:, level], labels.share.astype(np.float64)))
    known = [(label, share * (label >= 0)) for label, share in shares]
    count = max(sum(share.sum() for _, share in known), 1)
    classes = objective.class_weights
    return [(label, share / count * (1 if classes is None else classes[level][label])) for label, share in known]
