"""A warning where the label tree may not match the labels, from the mistakes of a trained classifier.

A classifier confuses classes that look alike, and siblings in a sensible tree usually do. If labels and tree number the
classes differently, the tree is a random grouping of the leaves, and the mistakes are independent of it.

Axes: K leaves, M pairs of leaves that were confused, P permutations.
"""

from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array

PERMUTATIONS = 199
REDUCTION = 0.05
"""A tree whose mistakes are less severe, or more severe, than on random trees by this share is not a random one."""
DEVIATIONS = 2.0
"""That share must be this many standard deviations of the random trees; else the leaves or mistakes are too few."""
LEARNED = 0.25
"""Least mean recall of the leaves, rescaled from guessing (0) to no mistake (1), at which the mistakes are judged."""


@dataclass(frozen=True, slots=True)
class TreeTest:
    """Mean severity of the mistakes on a tree, and on random trees of the same shape (its leaves permuted).

    mistakes: number of mistakes; severity: their mean severity; random_mean, random_deviation: mean and standard
    deviation of the mean severity over random trees.
    """

    mistakes: int
    severity: float
    random_mean: float
    random_deviation: float

    @property
    def is_random(self) -> bool:
        """Whether the tree is like random ones, and the mistakes would show it if it were not."""
        margin = REDUCTION * self.random_mean
        can_tell = 0 < DEVIATIONS * self.random_deviation <= margin
        return can_tell and abs(self.severity - self.random_mean) < margin


def tree_test(tree: LabelTree, confusion: Array) -> TreeTest | None:
    """Compare the severity of the mistakes with that on random trees of the same shape.

        severity = sum_m count[m] * height(true[m], answer[m]) / sum_m count[m]

    Shapes: confusion: (K, K) counts, true leaf x answered leaf.
    Conventions: the random trees are drawn with seed 0. A tree with more severe mistakes than random ones is not
        random either: the classifier separates its siblings best, which is not chance.
    Returns: None where there is no mistake.
    Source: Mantel 1967, Cancer Research 27, a permutation test for two matrices of distances.
    """
    true, answer = np.nonzero(confusion * (1 - np.eye(len(confusion), dtype=np.int64)))
    counts = confusion[true, answer].astype(np.float64)
    if not len(counts):
        return None
    rng = np.random.default_rng(0)
    orders = (rng.permutation(tree.num_leaves) for _ in range(PERMUTATIONS))
    others = np.array([_mean_severity(tree.ancestors, order[true], order[answer], counts) for order in orders])
    severity = _mean_severity(tree.ancestors, true, answer, counts)
    return TreeTest(int(counts.sum()), severity, float(others.mean()), float(others.std()))


def alarm(tree: LabelTree, confusion: Array) -> str | None:
    """A question for the user where the tree may not match the labels; else None.

    Shapes: confusion: (K, K) counts, true leaf x answered leaf.
    """
    if not _has_learned(confusion) or (test := tree_test(tree, confusion)) is None or not test.is_random:
        return None
    return (
        f"does tree {tree.name!r} match the labels? The {test.mistakes:,} mistakes have a mean severity of "
        f"{test.severity:.2f}, as on random trees of this shape ({test.random_mean:.2f}); check {_what_to_check(tree)}"
    )


def _mean_severity(ancestors: Array, true: Array, answer: Array, counts: Array) -> float:
    """Shapes: ancestors: (L, K); true, answer: (M,) leaves; counts: (M,)."""
    heights = (ancestors[:, true] != ancestors[:, answer]).sum(axis=0)
    return float(heights @ counts / counts.sum())


def _has_learned(confusion: Array) -> bool:
    images = confusion.sum(axis=1)
    recall = float((np.diag(confusion)[images > 0] / images[images > 0]).mean()) if images.any() else 0.0
    guessing = 1 / len(confusion)
    return recall - guessing >= LEARNED * (1 - guessing)


def _what_to_check(tree: LabelTree) -> str:
    """The most probable cause; equal ranges of alphabetical ids are what `id // 5` gives."""
    names, parents = list(tree.names[0]), list(tree.parents[0]) if tree.parents else []
    length = tree.num_leaves // tree.sizes[1]
    if names == sorted(names) and parents == [leaf // length for leaf in range(tree.num_leaves)]:
        return (
            f"how {tree.levels[1]} was computed: it is `id // {length}` here, and ids in alphabetical order put "
            "unrelated classes together"
        )
    return f"that the tree lists the {tree.levels[0]} classes in the order in which the labels number them"
