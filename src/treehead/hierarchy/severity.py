"""What the tree makes of a mistake, as arrays."""

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array


def severity_matrix(tree: LabelTree) -> Array:
    """cost[true, predicted]: the height of the lowest common ancestor. Shapes: returns (K, K) float32."""
    return tree.heights.astype(np.float32)


def chance_shares(tree: LabelTree) -> Array:
    """Share of mistakes of severity 1, ... L if wrong answers were uniformly random.

    Shapes: returns (L,) float64, summing to 1; zeros for a tree of one leaf, which allows no mistake.
    """
    counts = np.bincount(tree.heights.ravel(), minlength=len(tree.levels) + 1)[1:]
    return counts / max(counts.sum(), 1)
