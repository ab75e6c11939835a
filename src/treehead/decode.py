"""Decoders: from the heads' probabilities to one answer per level.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.severity import severity_matrix
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

SMALLEST = 1e-12
"""Probabilities are clipped at this value before a logarithm."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The answers. Shapes: answers: (N, L) int64 class ids; leaf_scores: (N, K), by which leaves are ranked."""

    answers: Array
    leaf_scores: Array


def decode(kind: str, probabilities: list[Array], tree: LabelTree) -> Decoded:
    """Answer at every level.

        independent   argmax of each head; the answers may contradict the tree
        top_down      the best class of the top head, then its best child by the head below, down to a leaf
        path          the leaf with the highest sum of log probabilities along its path
        marginal      top_down, by the sums of the leaf probabilities below each class
        crm           the leaf of least expected severity under the leaf head's probabilities

    Shapes: probabilities: per level (N, K_l).
    Conventions: all except `independent` answer with a path of the tree; ties go to the lower class id. `path` clips
        probabilities at 1e-12. `marginal` decides from the top down, since the largest sums of two levels need not be
        on one path. The answer is always the first in the ranking of the leaves: by the leaf head's probability, by
        path score, by expected severity; for `top_down` and `marginal` branch by branch, the leaves below the best
        class first.
    Raises: UserError: the kind is unknown.
    Source: crm: Karthik et al. 2021, arXiv:2104.00795, eq. 1.
    """
    if kind not in DECODERS:
        raise UserError(f"decode = {kind!r} is unknown; choose one of {', '.join(DECODERS)}")
    return DECODERS[kind](probabilities, tree)


def restricted(probabilities: list[Array], tree: LabelTree, leaves: Array) -> list[Array]:
    """Probabilities given that the image shows a class below one node of the tree.

        p'[n, k] = p[n, k] * [k is in `leaves`, or an ancestor of one] / their sum

    Shapes: probabilities and what is returned: per level (N, K_l), rows sum to 1; leaves: (K,) bool, those
        below the node, see `hierarchy.subtree`.
    Conventions: every head is restricted separately; the remaining probabilities are first clipped at 1e-12 from below,
        so that their sum is not 0. Every decoder then answers below the node.
    """
    restricted_levels = []
    for level, ids in zip(probabilities, tree.ancestors, strict=True):
        allowed = np.isin(np.arange(level.shape[1]), ids[leaves])
        kept = np.where(allowed, np.maximum(level, SMALLEST), 0.0)
        restricted_levels.append(kept / kept.sum(axis=1, keepdims=True))
    return restricted_levels


def path_shares(probabilities: list[Array], tree: LabelTree) -> Array:
    """Product of the heads' probabilities along every path of the tree, normalised over the paths.

        share[n, k] = prod_l p_l[n, ancestor of k at level l] / its sum over all leaves

    Shapes: probabilities: per level (N, K_l); returns (N, K) float64, one entry per leaf, rows sum to 1.
    Conventions: probabilities are clipped at 1e-12 from below. The heads are treated as independent, which they are
        not: use it to rank paths (as the decoder `path` does), not as a probability.
    """
    scores = _path_scores(probabilities, tree)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _independent(probabilities: list[Array], tree: LabelTree) -> Decoded:
    return Decoded(np.stack([level.argmax(axis=1) for level in probabilities], axis=1), probabilities[0])


def _top_down(probabilities: list[Array], tree: LabelTree) -> Decoded:
    place = _places(probabilities[-1])
    for level in reversed(range(len(tree.parents))):  # all leaves of a better branch come first
        parents = np.array(tree.parents[level])
        place = place[:, parents] * tree.sizes[level] + _places(probabilities[level])
    return _of_best_leaf(-place, tree)


def _places(scores: Array) -> Array:
    """(N, K_l) to (N, K_l) int64: 0 for the best class, 1 for the next; of equal ones the lower id first."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)


def _path(probabilities: list[Array], tree: LabelTree) -> Decoded:
    return _of_best_leaf(_path_scores(probabilities, tree), tree)


def _path_scores(probabilities: list[Array], tree: LabelTree) -> Array:
    """(N, K): the sum of log probabilities along the path of every leaf."""
    logs = (np.log(np.maximum(level, SMALLEST)) for level in probabilities)
    return np.sum([level[:, ids] for level, ids in zip(logs, tree.ancestors, strict=True)], axis=0)


def _marginal(probabilities: list[Array], tree: LabelTree) -> Decoded:
    sums = [probabilities[0]]
    for parents, size in zip(tree.parents, tree.sizes[1:], strict=True):
        belongs = np.array(parents)[:, None] == np.arange(size)
        sums.append(sums[-1] @ belongs)
    return _top_down(sums, tree)


def _crm(probabilities: list[Array], tree: LabelTree) -> Decoded:
    return _of_best_leaf(-(probabilities[0] @ severity_matrix(tree)), tree)


def _of_best_leaf(scores: Array, tree: LabelTree) -> Decoded:
    return Decoded(tree.label_paths(scores.argmax(axis=1)), scores)


DECODERS: dict[str, Callable[[list[Array], LabelTree], Decoded]] = {
    "independent": _independent,
    "top_down": _top_down,
    "path": _path,
    "marginal": _marginal,
    "crm": _crm,
}
