"""An alarm for a tree that does not belong to its labels.

A classifier that has learned to tell its leaves apart mistakes siblings for each other far more often than random
answers would, because what stands together in a sensible tree also looks alike. Where it does not, the likeliest reason
is that labels and tree were numbered differently: the tree is then a random grouping of the leaves.
"""

from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array

KNOWS_ITS_LEAVES = 0.25
"""A classifier is judged from here on, on the way from guessing (0) to no mistake (1)."""
ODDS = 2.0
"""A real one makes severity-1 mistakes at more than twice the odds of random answers, where siblings look alike, or at
less than half of them, where they are what it tells apart best. Random trees of CIFAR-100 lie between (4,000 draws)."""
DEVIATIONS = 2.58
"""Half width of the interval, in standard deviations: 99 %."""


@dataclass(frozen=True, slots=True)
class Siblings:
    """The mistakes between siblings.

    mistakes: how many mistakes were made; share: how many of them stayed under the true parent, in [0, 1]; highest: the
    upper end of that share's interval; chance: what it would be if wrong answers were uniformly random; knowledge: mean
    recall of the leaves, as the share of the way from guessing to perfection.
    """

    mistakes: int
    share: float
    highest: float
    chance: float
    knowledge: float

    @property
    def at_chance(self) -> bool:
        """Whether the classifier knows its leaves, but its mistakes follow the tree neither way."""
        knows, chance = self.knowledge >= KNOWS_ITS_LEAVES, _odds(self.chance)
        return knows and _odds(self.highest) < ODDS * chance and ODDS * _odds(self.share) >= chance


def siblings(confusion: Array, heights: Array) -> Siblings | None:
    """Count the mistakes between siblings against those of random answers to the same images.

        highest = (p + z^2 / 2n + z * sqrt(p * (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)      (Wilson's interval)

    Shapes: confusion, heights: (K, K), true leaf x answered leaf.
    Conventions: n mistakes, a share of p between siblings, z = 2.58. Chance is that of their own true classes.
    Returns: None where the tree or the predictions leave nothing to judge: no mistake, no siblings, or nothing else.
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
    """What to tell a person whose tree and labels probably do not belong together; None where nothing says so.

    Shapes: confusion: (K, K) counts, true leaf x answered leaf.
    """
    found = siblings(confusion, tree.heights)
    if found is None or not found.at_chance:
        return None
    if _runs_of_ids(tree):
        cause = (
            f"each {tree.levels[1]} is a run of neighbouring ids ({_first_run(tree)}), as `id // {_run_length(tree)}` "
            "gives it; the ids count names in alphabetical order, in which neighbours have nothing in common"
        )
    else:
        cause = (
            f"the usual cause is that labels and tree were numbered differently, such as a {tree.levels[1]} worked out "
            "as `id // 5` from ids that are alphabetical"
        )
    return (
        f"tree {tree.name!r} and the labels probably do not belong together: {100 * found.share:.1f} % of the "
        f"{found.mistakes:,} mistakes stay inside the true {tree.levels[1]}, and random answers would give "
        f"{100 * found.chance:.1f} %, though the classifier knows its classes; {cause}"
    )


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else float("inf")


def _runs_of_ids(tree: LabelTree) -> bool:
    """Whether the leaves are alphabetical and their parents equal runs of them."""
    names, parents = list(tree.names[0]), list(tree.parents[0])
    return names == sorted(names) and parents == sorted(parents) and len(set(np.bincount(parents).tolist())) == 1


def _run_length(tree: LabelTree) -> int:
    return tree.num_leaves // tree.sizes[1]


def _first_run(tree: LabelTree) -> str:
    length = _run_length(tree)
    return f"0 to {length - 1}, {length} to {2 * length - 1}, ..."
