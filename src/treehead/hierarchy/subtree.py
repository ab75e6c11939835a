"""A part of the tree, found by the name a person gives it."""

import difflib

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError


def leaves_under(tree: LabelTree, node: str) -> Array:
    """Which leaves lie below a node, or are it: "fish", or "superclass:fish" where levels share a name.

    Shapes: returns (K,) bool, True at least once.
    Conventions: a name that stands on several levels is no ambiguity as long as the same leaves lie below it.
    Raises: UserError: there is no such node, naming the nearest; or the name means different parts of the tree.
    """
    found: dict[str, Array] = {}
    for level, names, ids in zip(tree.levels, tree.names, tree.ancestors, strict=True):
        for number, name in enumerate(names):
            if node in (name, f"{level}:{name}"):
                found[f"{level}:{name}"] = ids == number
    if not found:
        known = dict.fromkeys(name for names in tree.names for name in names)
        nearest = difflib.get_close_matches(node, known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"its last level has {', '.join(tree.names[-1])}"
        raise UserError(f"tree {tree.name!r} has no node {node!r}; {hint}")
    first, *others = found.values()
    if any(not np.array_equal(first, other) for other in others):
        raise UserError(f"{node!r} means several parts of tree {tree.name!r}; say {' or '.join(found)}")
    return first
