"""One level of a tree, as a confusion matrix shows it: classes in tree order, and the severity of each confusion."""

from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class LevelView:
    """The K classes of one level.

    Shapes:
        names: K, in class order.
        order: (K,) class indices, so that the classes under one parent are adjacent.
        blocks: (A, K) int, the ancestor of every class at each of the A levels above, nearest first.
        block_names: the class names of these levels.
        severity: (K, K) int, height of the lowest common ancestor above the leaves: 0 on the diagonal; at the
            superclass level a confusion inside the group is 2, as for the leaves below.
    """

    level: str
    names: tuple[str, ...]
    order: Array
    blocks: Array
    block_names: tuple[tuple[str, ...], ...]
    severity: Array


def level_view(tree: LabelTree, level: str) -> LevelView:
    """The view of `tree` at `level`. Raises: ValueError: the tree has no such level."""
    depth = list(tree.levels).index(level)
    size = tree.sizes[depth]
    ancestors = np.asarray(tree.ancestors)  # (L, leaves)
    _, first_leaf = np.unique(ancestors[depth], return_index=True)
    above = ancestors[depth:, first_leaf]  # (1 + A, K), its first row the classes themselves
    in_leaf_order = ancestors[depth][np.asarray(tree.leaf_order)]
    order = np.array(list(dict.fromkeys(in_leaf_order.tolist())), dtype=np.int64)
    differ = (above[:, :, None] != above[:, None, :]).sum(axis=0)
    assert len(order) == size, "every class has a leaf"
    return LevelView(
        level=level,
        names=tuple(tree.names[depth]),
        order=order,
        blocks=above[1:],
        block_names=tuple(tuple(names) for names in tree.names[depth + 1 :]),
        severity=np.where(differ > 0, differ + depth, 0),
    )


def boundaries(blocks: Array, order: Array) -> list[tuple[int, int]]:
    """Start and stop (half open) of each sequence of equal blocks along the ordered axis.

    Shapes: blocks: (K,) the block of every class; order: (K,) class indices.
    """
    along = np.asarray(blocks)[order]
    starts = [0, *(np.flatnonzero(along[1:] != along[:-1]) + 1).tolist()]
    return list(zip(starts, [*starts[1:], len(along)], strict=True))


def row_shares(counts: Array) -> Array:
    """Each row of a confusion matrix as fractions of its true class; zeros for a class without images.

    Shapes: counts: (K, K) true x answered; returns (K, K) float64 in [0, 1].
    """
    counts = np.asarray(counts, dtype=np.float64)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
