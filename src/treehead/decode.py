"""Decoders: from probabilities to one answer per level.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

SMALLEST = 1e-12
"""Probabilities are clipped at this value before they are divided by their sum."""
OF_HEADS = ("top_down", "independent")
"""Decoders that read the heads; the others read the posterior alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The answers. Shapes: answers: (N, L) int64 class ids; leaf_scores: (N, K), by which leaves are ranked."""

    answers: Array
    leaf_scores: Array


def decode(kind: str, nodes: Sequence[Array], tree: LabelTree, *, heads: Sequence[Array] | None = None) -> Decoded:
    """Answer at every level.

        independent   argmax of each head; the answers may contradict the tree
        top_down      the best class of the top head, then its best child by the head below, down to a leaf
        path          the most probable leaf
        marginal      the most probable class of the top level, then its most probable child, down to a leaf
        crm           the leaf of least expected severity

    The expected severity of leaf k is the expected number of levels at which its path is wrong:

        severity[n, k] = sum_l 1 - nodes[l][n, ancestor of k at level l]

    Shapes: nodes: per level (N, K_l), the probability of every node, see `posterior.node_probabilities`; heads: the
        same shapes, each head's own scores, by default `nodes`.
    Conventions: all except `independent` answer with a path of the tree; ties go to the lower class id. `marginal`
        decides from the top down, since the most probable classes of two levels need not be on one path. The answer is
        always the first in the ranking of the leaves: by expected severity, by probability, by the leaf head's score;
        for `top_down` and `marginal` branch by branch, the leaves below the best class first.
    Raises: UserError: the kind is unknown.
    Source: crm: Karthik et al. 2021, arXiv:2104.00795, eq. 1.
    """
    if kind not in DECODERS:
        raise UserError(f"decode = {kind!r} is unknown; choose one of {', '.join(DECODERS)}")
    return DECODERS[kind](nodes if heads is None or kind not in OF_HEADS else heads, tree)


def confidences(nodes: Sequence[Array], answers: Array) -> Array:
    """The probability of every answer. Shapes: nodes: per level (N, K_l); answers: (N, L) class ids; returns (N, L)."""
    rows = np.arange(len(answers))
    return np.stack([level[rows, ids] for level, ids in zip(nodes, answers.T, strict=True)], axis=1)


def restricted(heads: Sequence[Array], tree: LabelTree, leaves: Array) -> list[Array]:
    """Each head's probabilities given that the image shows a class below one node of the tree.

        p'[n, k] = p[n, k] * [k is in `leaves`, or an ancestor of one] / their sum

    Shapes: heads and what is returned: per level (N, K_l), rows sum to 1; leaves: (K,) bool, those below the node, see
        `hierarchy.subtree`.
    Conventions: every head is restricted separately, for the decoders that read heads; the posterior is restricted as a
        whole, see `posterior.pooling.restricted_leaves`. The remaining probabilities are first clipped at 1e-12 from
        below, so that their sum is not 0.
    """
    restricted_levels = []
    for level, ids in zip(heads, tree.ancestors, strict=True):
        allowed = np.isin(np.arange(level.shape[1]), ids[leaves])
        kept = np.where(allowed, np.maximum(level, SMALLEST), 0.0)
        restricted_levels.append(kept / kept.sum(axis=1, keepdims=True))
    return restricted_levels


def _independent(heads: Sequence[Array], tree: LabelTree) -> Decoded:
    return Decoded(np.stack([level.argmax(axis=1) for level in heads], axis=1), heads[0])


def _branch_by_branch(scores: Sequence[Array], tree: LabelTree) -> Decoded:
    place = _places(scores[-1])
    for level in reversed(range(len(tree.parents))):  # all leaves of a better branch come first
        parents = np.array(tree.parents[level])
        place = place[:, parents] * tree.sizes[level] + _places(scores[level])
    return _of_best_leaf(-place, tree)


def _places(scores: Array) -> Array:
    """(N, K_l) to (N, K_l) int64: 0 for the best class, 1 for the next; of equal ones the lower id first."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)


def _path(nodes: Sequence[Array], tree: LabelTree) -> Decoded:
    return _of_best_leaf(nodes[0], tree)


def _crm(nodes: Sequence[Array], tree: LabelTree) -> Decoded:
    right = np.zeros_like(nodes[0])
    for level, ids in zip(nodes, tree.ancestors, strict=True):
        right += level[:, ids]
    return _of_best_leaf(right - len(tree.levels), tree)


def _of_best_leaf(scores: Array, tree: LabelTree) -> Decoded:
    return Decoded(tree.label_paths(scores.argmax(axis=1)), scores)


_Decoder: TypeAlias = Callable[[Sequence[Array], LabelTree], Decoded]
DECODERS: dict[str, _Decoder] = {
    "independent": _independent,
    "top_down": _branch_by_branch,
    "path": _path,
    "marginal": _branch_by_branch,
    "crm": _crm,
}
