"""A tree seen from one of its levels: its classes in tree order, and how severe each confusion is."""

from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class LevelView:
    """The K classes of one level, as a confusion matrix wants them.

    Shapes:
        names: K, in class order.
        order: (K,) class indices, so that classes under one parent stand together.
        blocks: (A, K) int, for each of the A levels above, nearest first, the ancestor of every class.
        severity: (K, K) int, height of the lowest common ancestor above the LEAVES: 0 on the diagonal; at the
            superclass level a confusion inside the group is 2, as it is for the leaves below it.
    """

    level: str
    names: tuple[str, ...]
    order: Array
    blocks: Array
    block_names: tuple[tuple[str, ...], ...]
    severity: Array


def level_view(tree: LabelTree, level: str) -> LevelView:
    """Look at `tree` from `level`. Raises: ValueError: the tree has no such level."""
    depth = list(tree.levels).index(level)
    size = tree.sizes[depth]
    ancestors = np.asarray(tree.ancestors)  # (L, leaves)
    _, first_leaf = np.unique(ancestors[depth], return_index=True)
    above = ancestors[depth:, first_leaf]  # (1 + A, K), its first row the classes themselves
    seen = ancestors[depth][np.asarray(tree.leaf_order)]
    order = np.array(list(dict.fromkeys(seen.tolist())), dtype=np.int64)
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
    """Where each run of equal blocks starts and stops (half open) along the ordered axis.

    Shapes: blocks: (K,) a block for every class; order: (K,) class indices.
    """
    along = np.asarray(blocks)[order]
    starts = [0, *(np.flatnonzero(along[1:] != along[:-1]) + 1).tolist()]
    return list(zip(starts, [*starts[1:], len(along)], strict=True))


def row_shares(counts: Array) -> Array:
    """Each row of a confusion matrix as shares of its true class; a class without images gives zeros.

    Shapes: counts: (K, K) true x predicted; returns (K, K) float64 in [0, 1].
    """
    counts = np.asarray(counts, dtype=np.float64)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
