"""Trees from edges, nested names, CSV and JSON, and the labels of paths that end early."""

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
    tree_of_paths,
)
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

PATHS = [("animals", "dog", "beagle"), ("animals", "dog", "pug"), ("animals", "dog"), ("plants",), ("animals",)]


def test_a_branch_that_ends_early_is_carried_down_and_a_path_that_does_is_unknown_below() -> None:
    tree, labels = tree_and_labels("photos", PATHS)
    assert tree.levels == ("class", "group", "group2")
    assert tree.names == (("beagle", "pug", "plants"), ("dog", "plants"), ("animals", "plants"))
    assert tree.parents == ((0, 0, 1), (0, 1))
    np.testing.assert_array_equal(labels, [[0, 0, 0], [1, 0, 0], [-1, 0, 0], [2, 1, 1], [-1, -1, 0]])


def test_a_class_called_like_its_parent_is_not_the_parent() -> None:
    _, labels = tree_and_labels("pets", [("dog", "dog"), ("dog", "pug"), ("dog",)])
    np.testing.assert_array_equal(labels, [[0, 0], [1, 0], [-1, 0]])


def test_levels_have_names_without_being_given_any() -> None:
    assert [level_names(depth) for depth in (1, 2)] == [("class",), ("class", "group")]
    assert level_names(4) == ("class", "group", "group2", "group3")
    assert tree_of_paths("t", [("a", "b"), ("c",)], ("fine", "kind")).levels == ("fine", "kind")


@pytest.mark.parametrize(
    ("paths", "levels", "message"),
    [
        ([], None, "tree 't' has no leaves"),
        ([("a", "x"), ("b", "x")], None, "'x' stands in two places of tree 't': a/x and b/x"),
        ([("a", "b", "c"), ("d", "a"), ("a",)], ("f", "k"), "has depth 3, but 2 names for its levels: f, k"),
        ([("plants",), ("animals", "plants")], None, "'plants' stands in two places"),
        ([("a", "")], None, "a class without a name: 'a/'"),
    ],
)
def test_paths_that_make_no_tree(paths: list[tuple[str, ...]], levels: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tree_of_paths("t", paths, levels)


EDGES = [("dog", "pug"), ("animals", "dog"), ("animals", "cat"), ("living", "animals"), ("living", "plants")]


def test_edges_in_any_order_below_one_root() -> None:
    tree = tree_from_edges("life", EDGES, ("fine", "kind", "kingdom"))
    assert tree.names == (("pug", "cat", "plants"), ("dog", "cat", "plants"), ("animals", "plants"))


def test_edges_without_a_common_root_have_their_tops_as_top_level() -> None:
    tree = tree_from_edges("life", [("animal", "dog"), ("plant", "fern"), ("animal", "cat")])
    assert tree.names == (("dog", "fern", "cat"), ("animal", "plant"))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a")], "tree 'life' has a cycle: b < a < c < b"),
        ([("a", "a")], "has a cycle: a < a"),
        ([("a", "c"), ("b", "c")], "'c' has the parent 'b' and 'a' before; a class has one parent"),
        ([("a", "c"), ("a", "c")], "'c' has the parent 'a' twice"),
        ([], "has no leaves"),
    ],
)
def test_edges_that_make_no_tree(edges: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tree_from_edges("life", edges)


def test_a_table_names_levels_in_its_header_and_may_end_early(tmp_path: Path) -> None:
    table = tmp_path / "life.csv"
    table.write_text(
        '\ufeffkingdom,kind,fine\nanimals,dog,"pug, small"\nanimals,dog,beagle\n\nplants,,\n', encoding="utf-8"
    )
    tree = tree_from_csv(table)
    assert (tree.name, tree.levels) == ("life", ("fine", "kind", "kingdom"))
    assert tree.names[0] == ("pug, small", "beagle", "plants")


def test_json_is_a_written_tree_or_names_within_names(tmp_path: Path) -> None:
    file = tmp_path / "life.json"
    file.write_text('{"animals": {"dog": ["pug", "beagle"], "cat": null}, "plants": {}}')
    tree = tree_from_json(file)
    assert tree.names == (("pug", "beagle", "cat", "plants"), ("dog", "cat", "plants"), ("animals", "plants"))
    file.write_text(json.dumps(tree.to_json()))
    assert tree_from_json(file) == tree


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("life.csv", "kingdom,fine\n", "holds no tree"),
        ("life.csv", "kingdom,fine\na,b\na,b\n", "names a/b twice"),
        ("life.csv", "kingdom,fine\n,b\n", "line 2: a level is empty, and one below it is not"),
        ("life.json", "{", "is no JSON"),
        ("life.json", '{"a": [1]}', "1 stands where a leaf's name should"),
        ("life.json", "[]", "is no tree"),
        ("life.json", '{"a": "b"}', "'b' is no tree"),
    ],
)
def test_files_that_hold_no_tree(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        (tree_from_csv if name.endswith("csv") else tree_from_json)(file)
    with pytest.raises(UserError, match="cannot read"):
        tree_from_csv(tmp_path / "nowhere")


def test_nested_names_may_end_early_too() -> None:
    nested = {"animals": {"dog": ["pug"]}, "plants": ["fern"]}
    tree = LabelTree.from_nested("life", ("fine", "kind", "kingdom"), nested)
    assert tree.names == (("pug", "fern"), ("dog", "fern"), ("animals", "plants"))
