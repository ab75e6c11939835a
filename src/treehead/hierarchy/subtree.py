"""A subtree, given by the name of its root."""

import difflib

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.inputs import composed, cut, shown
from treehead.types import Array, UserError


def leaves_under(tree: LabelTree, node: str) -> Array:
    """Mask of the leaves below a node: "fish", or "superclass:fish" where several levels have that name.

    Shapes: returns (K,) bool, True at least once; a leaf is below itself.
    Conventions: accented letters match however they are composed; a name at several levels is not ambiguous if the same
        leaves are below each of them.
    Raises: UserError: there is no such node (the message suggests similar names), or the name is ambiguous.
    """
    matches: dict[str, Array] = {}
    wanted = composed(node)
    for level, names, ids in zip(tree.levels, tree.names, tree.ancestors, strict=True):
        for number, name in enumerate(names):
            if wanted in (composed(name), composed(f"{level}:{name}")):
                matches[f"{level}:{name}"] = ids == number
    if not matches:
        known = dict.fromkeys(name for names in tree.names for name in names)
        similar = difflib.get_close_matches(node, known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(similar)}?" if similar else f"its top level has {', '.join(tree.names[-1])}"
        raise UserError(f"tree {tree.name!r} has no node {shown(node)}; {cut(hint)}")
    first, *others = matches.values()
    if any(not np.array_equal(first, other) for other in others):
        raise UserError(f"{shown(node)} is ambiguous in tree {tree.name!r}; write {' or '.join(matches)}")
    return first
