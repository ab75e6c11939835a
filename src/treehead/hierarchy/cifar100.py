"""CIFAR-100's published trees, as data."""

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
"""Tree by name -> the groupings that stand above its superclasses."""


def cifar100_tree(name: str = "haf8") -> LabelTree:
    """One of CIFAR-100's trees; fine and superclass ids are those of the binary release.

        haf8        100 fine, 20 superclass, 8 group: level 5 of the HAF tree
        bcnn8       the same with the groups of B-CNN
        superclass  100 fine, 20 superclass: the data set's own
        haf5        100, 20, 8, 4, 2: the whole HAF tree, levels fine, superclass, group, group4, group2

    Raises: UserError: another name.
    Source: Krizhevsky 2009; Garg et al. 2022, arXiv:2207.12646 (HAF); Zhu & Bain 2017, arXiv:1709.09890 (B-CNN).
    """
    if name not in GROUPINGS:
        raise UserError(f"CIFAR-100 has no tree {name!r}; data.tree is one of {', '.join(GROUPINGS)}")
    facts: dict[str, Any] = json.loads(files("treehead.hierarchy").joinpath("cifar100_trees.json").read_text())
    groupings = GROUPINGS[name]
    parents = [facts["superclass_of"]]
    if groupings:
        parents.append(facts["group_of"][groupings[0]])
    for below, above in pairwise(groupings):  # both are given per superclass; a tree needs one per group below
        parent_of = dict(zip(facts["group_of"][below], facts["group_of"][above], strict=True))
        parents.append([parent_of[group] for group in range(len(facts["groups"][below]))])
    names = [facts["fine"], facts["superclass"], *(facts["groups"][grouping] for grouping in groupings)]
    levels = ("fine", "superclass", "group", "group4", "group2")[: len(names)]
    return LabelTree(name, levels, tuple(map(tuple, names)), tuple(map(tuple, parents)))


def tree_of_the_literature(tree: LabelTree) -> LabelTree | None:
    """`haf5` for a tree with CIFAR-100's leaves: the severities that are published are heights on it. Else None."""
    literature = cifar100_tree("haf5")
    return literature if tree.names[0] == literature.names[0] else None
