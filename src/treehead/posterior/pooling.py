"""The posterior: one distribution over the leaves of a label tree, pooled from the heads of all levels.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from treehead.decode import SMALLEST
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, RunError, UserError

LARGEST = 100.0
"""Largest weight of a level; heads that are never wrong would ask for an infinite one."""
SMALLEST_LEAF = 1e-3
"""Least fitted weight of the leaf head: heads that are always wrong would ask for 0, and every image had one answer."""
CHUNK = 2**22
"""Most values (images x leaves) that a fit holds at once, so that memory does not grow with the number of images."""


def pool(logits: Sequence[Array], tree: LabelTree, weights: Sequence[float]) -> Array:
    """Pool the heads of all levels into one distribution over the leaves.

        q[n, k] = prod_l p_l[n, ancestor of k at level l] ^ w_l / (its sum over all leaves)

    Shapes: logits: per level (N, K_l), p_l = softmax(logits[l]); weights: (L,); returns (N, K) float64, rows sum to 1.
    Conventions: a weight is an inverse temperature and a degree of trust in one: (1 / T, 0, 0, ...) is the leaf head at
        the temperature T, (1, 0, 0, ...) the leaf head as it is. Logits may be log probabilities: a constant added to
        all logits of a head cancels out.
    Raises: RunError: a logit is NaN or infinite.
    Source: Genest & Zidek 1986, "Combining probability distributions", section 3.1 (logarithmic pool); weights as
        temperatures: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    scores = _scores(logits, tree, np.asarray(weights, np.float64))
    exps = np.exp(scores - scores.max(axis=1, keepdims=True))  # unchanged, and exp cannot overflow
    return exps / exps.sum(axis=1, keepdims=True)


def node_probabilities(leaves: Array, tree: LabelTree) -> list[Array]:
    """The probability of every node: the sum of those of the leaves below it.

    Shapes: leaves: (N, K), rows sum to 1; returns per level (N, K_l), `leaves` itself first.
    Conventions: so a node is never less probable than one below it, and no two levels can contradict each other.
    """
    levels = [leaves]
    for parents in tree.parents:
        order = np.argsort(parents, kind="stable")
        first = np.searchsorted(np.asarray(parents)[order], np.arange(max(parents) + 1))
        levels.append(np.add.reduceat(levels[-1][:, order], first, axis=1))
    return levels


def restricted_leaves(leaves: Array, below: Array) -> Array:
    """The distribution given that the image shows one of some leaves.

        q'[n, k] = q[n, k] * [below[k]] / their sum

    Shapes: leaves and what is returned: (N, K), rows sum to 1; below: (K,) bool, see `hierarchy.subtree`.
    Conventions: the remaining probabilities are first clipped at 1e-12 from below, so that their sum is not 0.
    """
    kept = np.where(below, np.maximum(leaves, SMALLEST), 0.0)
    return kept / kept.sum(axis=1, keepdims=True)


def fit_weights(logits: Sequence[Array], labels: Array, tree: LabelTree) -> tuple[float, ...]:
    """The weights under which the posterior makes the labels of held-out images most likely.

        w = argmin_w -mean_n log sum_{k below label n} q_w[n, k],  0 <= w_l <= 100, 0.001 <= w_0

    Shapes: logits: per level (N, K_l); labels: (N, L) class ids, leaves first, -1 where not known.
    Conventions: an image counts at its deepest known level, and not at all where no level is known. The loss is convex
        in w where all leaves are known. The search starts at the leaf head as it is.
    Raises: UserError: no image has a known label, or one has a label that is not in the tree. RunError: a logit is NaN
        or infinite.
    """
    known = labels >= 0
    rows = np.flatnonzero(known.any(axis=1))
    if not len(rows):
        raise UserError("the posterior cannot be fitted: no held-out image has a known label")
    depth = known[rows].argmax(axis=1)
    deepest = labels[rows, depth]
    if (deepest >= np.array(tree.sizes)[depth]).any():
        raise UserError("the posterior cannot be fitted: a held-out image has a label that is not in the tree")
    size = max(1, CHUNK // tree.num_leaves)

    def loss(weights: Array) -> tuple[float, Array]:
        total, slope = 0.0, np.zeros(len(weights))
        for start in range(0, len(rows), size):
            chunk = slice(start, start + size)
            below = tree.ancestors[depth[chunk]] == deepest[chunk, None]
            value, change = _loss([level[rows[chunk]] for level in logits], below, tree, weights)
            total, slope = total + value, slope + change
        return total / len(rows), slope / len(rows)

    start = np.eye(len(tree.levels))[0]
    bounds = [(SMALLEST_LEAF, LARGEST), *[(0.0, LARGEST)] * (len(start) - 1)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return tuple(found.x.tolist())


def _scores(logits: Sequence[Array], tree: LabelTree, weights: Array) -> Array:
    """(N, K) float64: the logarithm of the posterior, up to a constant per image."""
    if not all(np.isfinite(level).all() for level in logits):
        raise RunError(
            "the network's outputs are NaN or infinite; train it again with a smaller learning rate or in float32"
        )
    scores = np.zeros((len(logits[0]), tree.num_leaves))
    for level, ids, weight in zip(logits, tree.ancestors, weights, strict=True):
        if weight:
            scores += weight * level.astype(np.float64)[:, ids]
    return scores


def _loss(logits: list[Array], below: Array, tree: LabelTree, weights: Array) -> tuple[float, Array]:
    """The loss of some images, summed, and its gradient.

        loss = sum_n log sum_k exp(s[n, k]) - log sum_{k below n} exp(s[n, k])
        dloss/dw_l = sum_n E_q[s_l] - E_{q given below}[s_l],   s = sum_l w_l s_l

    Shapes: below: (N, K) bool, the leaves below each label.
    """
    scores = _scores(logits, tree, weights)
    inside = np.where(below, scores, -np.inf)
    all_logs, inside_logs = _log_sums(scores), _log_sums(inside)
    shift = np.exp(scores - all_logs) - np.exp(inside - inside_logs)
    slope = [
        (shift * level.astype(np.float64)[:, ids]).sum() for level, ids in zip(logits, tree.ancestors, strict=True)
    ]
    return float((all_logs - inside_logs).sum()), np.array(slope)


def _log_sums(scores: Array) -> Array:
    """(N, 1): the logarithm of the sum of exponentials of every row."""
    highest = scores.max(axis=1, keepdims=True)
    return highest + np.log(np.exp(scores - highest).sum(axis=1, keepdims=True))
