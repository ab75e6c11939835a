"""Subtrees of a small tree, by name."""

import numpy as np
import pytest

from treehead.hierarchy.subtree import leaves_under
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

TREE = LabelTree.from_nested(
    "zoo",
    ("fine", "kind", "group"),
    {"animal": {"bird": ["owl", "crow"], "fish": ["carp"]}, "plant": {"tree": ["bird"], "bush": ["bush"]}},
)


@pytest.mark.parametrize(
    ("node", "leaves"),
    [
        ("animal", ["owl", "crow", "carp"]),
        ("fish", ["carp"]),
        ("crow", ["crow"]),
        ("kind:bird", ["owl", "crow"]),
        ("fine:bird", ["bird"]),
        ("bush", ["bush"]),  # a leaf and its parent: the same subtree
    ],
)
def test_a_node_is_found_by_its_name(node: str, leaves: list[str]) -> None:
    mask = leaves_under(TREE, node)
    assert [name for name, inside in zip(TREE.names[0], mask, strict=True) if inside] == leaves


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("fisch", "tree 'zoo' has no node 'fisch'; did you mean fish"),
        ("xyz", "its top level has animal, plant"),
        ("bird", "'bird' is ambiguous in tree 'zoo'; write fine:bird or kind:bird"),
        ("group:fish", "no node 'group:fish'"),
    ],
)
def test_unknown_and_ambiguous_nodes_are_refused(node: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        leaves_under(TREE, node)


def test_a_single_top_class_contains_every_leaf() -> None:
    tree = LabelTree.from_nested("one", ("fine", "kind"), {"all": ["a", "b"]})
    np.testing.assert_array_equal(leaves_under(tree, "all"), [True, True])
