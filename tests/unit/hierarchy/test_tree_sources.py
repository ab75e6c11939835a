"""Trees from edges, nested names, CSV and JSON, and the labels of paths that are not known down to a leaf."""

import json
from pathlib import Path

import numpy as np
import pytest

from treehead.hierarchy.sources import (
    level_names,
    tree_and_labels,
    tree_from_csv,
    tree_from_edges,
    tree_from_json,
)
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

PATHS = [("beagle", "dog", "animals"), ("pug", "dog", "animals"), ("dog", "animals"), ("plants",), ("animals",)]


def test_a_short_branch_is_repeated_down_and_a_short_path_is_unknown_below() -> None:
    tree, labels = tree_and_labels("photos", PATHS)
    assert tree.levels == ("class", "group", "group2")
    assert tree.names == (("beagle", "pug", "plants"), ("dog", "plants"), ("animals", "plants"))
    assert tree.parents == ((0, 0, 1), (0, 1))
    np.testing.assert_array_equal(labels, [[0, 0, 0], [1, 0, 0], [-1, 0, 0], [2, 1, 1], [-1, -1, 0]])


def test_a_class_with_the_name_of_its_parent_is_not_the_parent() -> None:
    _, labels = tree_and_labels("pets", [("dog", "dog"), ("pug", "dog"), ("dog",)])
    np.testing.assert_array_equal(labels, [[0, 0], [1, 0], [-1, 0]])


def test_default_level_names() -> None:
    assert [level_names(depth) for depth in (1, 2)] == [("class",), ("class", "group")]
    assert level_names(4) == ("class", "group", "group2", "group3")
    assert tree_and_labels("t", [("b", "a"), ("c",)], ("fine", "kind"))[0].levels == ("fine", "kind")


@pytest.mark.parametrize(
    ("paths", "levels", "message"),
    [
        ([], None, "tree 't' has no leaves"),
        ([("x", "a"), ("x", "b")], None, "'x' is at two places of tree 't': a/x and b/x"),
        ([("c", "b", "a"), ("a", "d"), ("a",)], ("f", "k"), "needs 3 level names, got 2: f, k"),
        ([("plants",), ("plants", "animals")], None, "'plants' is at two places"),
        ([("", "a")], None, "a class with an empty name: 'a/'"),
        ([()], None, "a class with an empty name: ''"),
    ],
)
def test_paths_that_are_not_a_tree(paths: list[tuple[str, ...]], levels: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tree_and_labels("t", paths, levels)


EDGES = [("dog", "pug"), ("animals", "dog"), ("animals", "cat"), ("living", "animals"), ("living", "plants")]


def test_edges_in_any_order_below_one_root() -> None:
    tree = tree_from_edges("life", EDGES, ("fine", "kind", "kingdom"))
    assert tree.names == (("pug", "cat", "plants"), ("dog", "cat", "plants"), ("animals", "plants"))


def test_edges_without_a_common_root() -> None:
    tree = tree_from_edges("life", [("animal", "dog"), ("plant", "fern"), ("animal", "cat")])
    assert tree.names == (("dog", "fern", "cat"), ("animal", "plant"))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a")], "tree 'life' has a cycle: b < a < c < b"),
        ([("a", "a")], "has a cycle: a < a"),
        ([("a", "c"), ("b", "c")], "'c' is the child of 'a' and again of 'b'; a class has one parent"),
        ([("a", "c"), ("a", "c")], "'c' is the child of 'a' and again of 'a'"),
        ([], "has no leaves"),
    ],
)
def test_edges_that_are_not_a_tree(edges: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tree_from_edges("life", edges)


def test_a_csv_file_names_its_levels_and_may_have_short_branches(tmp_path: Path) -> None:
    table = tmp_path / "life.csv"
    table.write_text(
        '\ufeffkingdom,kind,fine\nanimals,dog,"pug, small"\nanimals,dog,beagle\n\nplants,,\n', encoding="utf-8"
    )
    tree = tree_from_csv(table)
    assert (tree.name, tree.levels) == ("life", ("fine", "kind", "kingdom"))
    assert tree.names[0] == ("pug, small", "beagle", "plants")


def test_json_is_a_saved_tree_or_nested_names(tmp_path: Path) -> None:
    file = tmp_path / "life.json"
    file.write_text('{"animals": {"dog": ["pug", "beagle"], "cat": null}, "plants": {}}')
    tree = tree_from_json(file)
    assert tree.names == (("pug", "beagle", "cat", "plants"), ("dog", "cat", "plants"), ("animals", "plants"))
    file.write_text(json.dumps(tree.to_json()))
    assert tree_from_json(file) == tree


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("life.csv", "kingdom,fine\n", "does not contain a tree"),
        ("life.csv", "kingdom,fine\na,b\na,b\n", "contains a/b twice"),
        ("life.csv", "kingdom,fine\n,b\n", "line 2: a level is empty although a level below it is not"),
        ("life.json", "{", "is not valid JSON"),
        ("life.json", '{"a": [1]}', "expected the name of a leaf, got 1"),
        ("life.json", "[]", "is not a tree"),
        ("life.json", '{"a": "b"}', "'b' is not a tree"),
    ],
)
def test_files_that_are_not_a_tree(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        (tree_from_csv if name.endswith("csv") else tree_from_json)(file)
    with pytest.raises(UserError, match="cannot read"):
        tree_from_csv(tmp_path / "nowhere")


def test_nested_names_may_have_short_branches() -> None:
    nested = {"animals": {"dog": ["pug"]}, "plants": ["fern"]}
    tree = LabelTree.from_nested("life", ("fine", "kind", "kingdom"), nested)
    assert tree.names == (("pug", "fern"), ("dog", "fern"), ("animals", "plants"))
