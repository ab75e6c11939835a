"""The published label trees of CIFAR-100."""

import json
from importlib.resources import files
from itertools import pairwise
from typing import Any

from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

GROUPINGS = {
    "haf8": ("haf8",),
    "bcnn8": ("bcnn8",),
    "superclass": (),
    "haf5": ("haf8", "haf4", "haf2"),
}
"""Name of a tree -> the groupings above its superclasses."""


def cifar100_tree(name: str = "haf8") -> LabelTree:
    """One of CIFAR-100's trees; fine and superclass ids are those of the binary release.

        haf8        100 fine, 20 superclass, 8 group: the groups of level 5 of the HAF tree
        bcnn8       100 fine, 20 superclass, 8 group: the groups of B-CNN
        superclass  100 fine, 20 superclass: the tree of the data set itself
        haf5        100, 20, 8, 4, 2: the whole HAF tree, levels fine, superclass, group, group4, group2

    Raises: UserError: an unknown name.
    Source: Krizhevsky 2009; Garg et al. 2022, arXiv:2207.12646 (HAF); Zhu & Bain 2017, arXiv:1709.09890 (B-CNN).
    """
    if name not in GROUPINGS:
        raise UserError(f"CIFAR-100 has no tree {name!r}; data.tree must be one of {', '.join(GROUPINGS)}")
    facts: dict[str, Any] = json.loads(
        files("treehead.hierarchy").joinpath("cifar100_trees.json").read_text(encoding="utf-8")
    )
    groupings = GROUPINGS[name]
    parents = [facts["superclass_of"]]
    if groupings:
        parents.append(facts["group_of"][groupings[0]])
    for below, above in pairwise(
        groupings
    ):  # both groupings are given per superclass; a tree needs the parent of each group
        parent_of = dict(zip(facts["group_of"][below], facts["group_of"][above], strict=True))
        parents.append([parent_of[group] for group in range(len(facts["groups"][below]))])
    names = [facts["fine"], facts["superclass"], *(facts["groups"][grouping] for grouping in groupings)]
    levels = ("fine", "superclass", "group", "group4", "group2")[: len(names)]
    return LabelTree(name, levels, tuple(map(tuple, names)), tuple(map(tuple, parents)))


def tree_of_the_literature(tree: LabelTree) -> LabelTree | None:
    """`haf5`, on which the literature measures severities, for a tree with the leaves of CIFAR-100; else None."""
    literature = cifar100_tree("haf5")
    return literature if tree.names[0] == literature.names[0] else None
