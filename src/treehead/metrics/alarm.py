"""A warning where the label tree may not match the labels.

A trained classifier confuses siblings far more often than random answers do, because the classes under one parent of a
sensible tree look alike. If it does not, labels and tree may number the classes differently, so that the tree is a
random grouping of the leaves.
"""

from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array

LEAST_KNOWLEDGE = 0.25
"""Least mean recall of the leaves, rescaled from guessing (0) to no mistake (1), at which the mistakes are judged."""
ODDS = 2.0
"""On a matching tree the odds of a mistake between siblings are more than twice those of random answers (siblings look
alike) or less than half of them (siblings look most different). Random trees of CIFAR-100 lie in between, in 4,000
draws."""
DEVIATIONS = 2.58
"""Half width of the interval, in standard deviations: 99 %."""


@dataclass(frozen=True, slots=True)
class Siblings:
    """The mistakes between siblings.

    mistakes: number of mistakes.
    share: fraction of them with the true parent, in [0, 1]; highest: upper end of its interval.
    chance: this fraction for uniformly random mistakes.
    knowledge: mean recall of the leaves, rescaled from guessing (0) to no mistake (1).
    """

    mistakes: int
    share: float
    highest: float
    chance: float
    knowledge: float

    @property
    def at_chance(self) -> bool:
        """Whether the classifier is trained, but its mistakes are independent of the tree."""
        knows, chance = self.knowledge >= LEAST_KNOWLEDGE, _odds(self.chance)
        return knows and _odds(self.highest) < ODDS * chance and ODDS * _odds(self.share) >= chance


def siblings(confusion: Array, heights: Array) -> Siblings | None:
    """Compare the mistakes between siblings with random mistakes on the same images.

        highest = (p + z^2 / 2n + z * sqrt(p * (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)      (Wilson's interval)

    Shapes: confusion, heights: (K, K), true leaf x answered leaf.
    Conventions: n mistakes, a fraction of p between siblings, z = 2.58. Random mistakes have the same true classes.
    Returns: None where there is nothing to compare: no mistake, no siblings, or all leaves are siblings.
    Source: Wilson 1927, doi 10.2307/2276774.
    """
    wrong = np.where(heights > 0, confusion, 0).astype(np.float64)
    mistakes = wrong.sum()
    if not mistakes:
        return None
    per_class = wrong.sum(axis=1)
    chance = float(per_class @ (heights == 1).sum(axis=1) / (mistakes * (len(heights) - 1)))
    if not 0 < chance < 1:
        return None
    share = float(wrong[heights == 1].sum() / mistakes)
    n, z = mistakes, DEVIATIONS
    spread = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    highest = float((share + z**2 / (2 * n) + spread) / (1 + z**2 / n))
    images = confusion.sum(axis=1)
    recall = float((np.diag(confusion)[images > 0] / images[images > 0]).mean())
    guessing = 1 / len(heights)
    return Siblings(int(mistakes), share, highest, chance, (recall - guessing) / (1 - guessing))


def alarm(tree: LabelTree, confusion: Array) -> str | None:
    """The warning, where the tree may not match the labels; else None.

    Shapes: confusion: (K, K) counts, true leaf x answered leaf.
    """
    found = siblings(confusion, tree.heights)
    if found is None or not found.at_chance:
        return None
    if _has_ranges_of_ids(tree):
        cause = (
            f"each {tree.levels[1]} is a range of ids ({_first_range(tree)}), as `id // {_range_length(tree)}` gives, "
            "but the ids follow the alphabetical order of the names, which is unrelated to the classes above"
        )
    else:
        cause = (
            "the usual cause is that labels and tree number the classes differently, such as a "
            f"{tree.levels[1]} computed as `id // 5` from alphabetical ids"
        )
    return (
        f"tree {tree.name!r} may not match the labels: {100 * found.share:.1f} % of the {found.mistakes:,} mistakes "
        f"are within the true {tree.levels[1]}, and random mistakes would give {100 * found.chance:.1f} %, although "
        f"the classifier is clearly better than chance; {cause}"
    )


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else float("inf")


def _has_ranges_of_ids(tree: LabelTree) -> bool:
    """Whether the leaves are in alphabetical order and the parents are ranges of them of equal length."""
    names, parents = list(tree.names[0]), list(tree.parents[0])
    return names == sorted(names) and parents == sorted(parents) and len(set(np.bincount(parents).tolist())) == 1


def _range_length(tree: LabelTree) -> int:
    return tree.num_leaves // tree.sizes[1]


def _first_range(tree: LabelTree) -> str:
    length = _range_length(tree)
    return f"0 to {length - 1}, {length} to {2 * length - 1}, ..."
