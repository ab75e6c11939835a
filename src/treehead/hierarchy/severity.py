"""What the tree makes of a mistake, as arrays."""

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array


def severity_matrix(tree: LabelTree) -> Array:
    """cost[true, predicted]: the height of the lowest common ancestor. Shapes: returns (K, K) float32."""
    return tree.heights.astype(np.float32)


def level_severities(tree: LabelTree) -> tuple[Array, ...]:
    """The severity matrix of every level's classes, as that level's head may be wrong.

    Shapes: returns per level (K_l, K_l) float32: edges up to the lowest common ancestor, 0 on the diagonal.
    """
    matrices = []
    for level, size in enumerate(tree.sizes):
        ancestors = np.stack([np.arange(size)])
        for parents in tree.parents[level:]:
            ancestors = np.concatenate([ancestors, np.array(parents)[ancestors[-1:]]])
        matrices.append((ancestors[:, :, None] != ancestors[:, None, :]).sum(axis=0).astype(np.float32))
    return tuple(matrices)


def chance_shares(tree: LabelTree) -> Array:
    """Share of mistakes of severity 1, ... L if wrong answers were uniformly random.

    Shapes: returns (L,) float64, summing to 1; zeros for a tree of one leaf, which allows no mistake.
    """
    counts = np.bincount(tree.heights.ravel(), minlength=len(tree.levels) + 1)[1:]
    return counts / max(counts.sum(), 1)
