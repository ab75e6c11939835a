"""The severity of mistakes, as arrays: the height of the lowest common ancestor of truth and answer."""

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array


def severity_matrix(tree: LabelTree) -> Array:
    """cost[true, predicted]: the height of the lowest common ancestor of two leaves.

    Shapes: returns (K, K) float32, 0 on the diagonal.
    """
    return tree.heights.astype(np.float32)


def level_severities(tree: LabelTree) -> tuple[Array, ...]:
    """The severity matrix of each level's classes: edges up to their lowest common ancestor.

    Shapes: returns per level l (K_l, K_l) float32, 0 on the diagonal. The first is `severity_matrix(tree)`.
    """
    matrices = []
    for level, ids in enumerate(tree.ancestors):
        _, leaf_of_class = np.unique(ids, return_index=True)
        heights = tree.heights[np.ix_(leaf_of_class, leaf_of_class)]
        matrices.append(np.maximum(heights - level, 0).astype(np.float32))
    return tuple(matrices)


def chance_shares(tree: LabelTree) -> Array:
    """The share of mistakes of severity 1, ... L if wrong answers were uniformly random.

    Shapes: returns (L,) float64, summing to 1; zeros for a tree of one leaf, where no mistake is possible.
    """
    counts = np.bincount(tree.heights.ravel(), minlength=len(tree.levels) + 1)[1:]
    return counts / max(counts.sum(), 1)
