"""A tree of five leaves, small enough to walk by hand."""

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

ANIMALS = LabelTree(
    name="animals",
    levels=("fine", "kind", "home"),
    names=(("cat", "carp", "dog", "eagle", "crab"), ("mammal", "fish", "bird", "crustacean"), ("land", "water")),
    parents=((0, 1, 0, 2, 3), (0, 1, 0, 1)),
)


def test_sizes_count_the_classes_of_every_level() -> None:
    assert ANIMALS.sizes == (5, 4, 2)
    assert ANIMALS.num_leaves == 5


def test_ancestors_are_every_leafs_class_at_every_level() -> None:
    np.testing.assert_array_equal(ANIMALS.ancestors, [[0, 1, 2, 3, 4], [0, 1, 0, 2, 3], [0, 1, 0, 0, 1]])
    assert ANIMALS.ancestors.dtype == np.int64


def test_heights_are_the_steps_up_to_the_common_ancestor() -> None:
    expected = [
        [0, 3, 1, 2, 3],  # cat: dog is a mammal too, the eagle lives on land too
        [3, 0, 3, 3, 2],  # carp: the crab lives in water too
        [1, 3, 0, 2, 3],
        [2, 3, 2, 0, 3],
        [3, 2, 3, 3, 0],
    ]
    np.testing.assert_array_equal(ANIMALS.heights, expected)
    assert ANIMALS.heights.dtype == np.int64


def test_leaf_order_puts_siblings_side_by_side() -> None:
    assert [ANIMALS.names[0][leaf] for leaf in ANIMALS.leaf_order] == ["cat", "dog", "eagle", "carp", "crab"]


def test_paths_run_from_the_leaf_up() -> None:
    assert ANIMALS.path_names(4) == ("crab", "crustacean", "water")
    np.testing.assert_array_equal(ANIMALS.label_paths(np.array([2, 4, 2])), [[2, 0, 0], [4, 3, 1], [2, 0, 0]])


def test_up_to_cuts_the_levels_above() -> None:
    shallow = ANIMALS.up_to("kind")
    assert shallow.name == "animals up to kind"
    assert (shallow.levels, shallow.sizes, shallow.parents) == (("fine", "kind"), (5, 4), ANIMALS.parents[:1])
    assert ANIMALS.up_to("home") == ANIMALS


def test_up_to_a_level_there_is_not() -> None:
    with pytest.raises(UserError, match="tree 'animals' has no level 'colour', only fine, kind, home"):
        ANIMALS.up_to("colour")


def test_one_leaf_is_a_tree() -> None:
    lonely = LabelTree("lonely", ("fine",), (("only",),), ())
    assert lonely.heights.tolist() == [[0]]
    assert lonely.leaf_order.tolist() == [0]


def test_nested_names_number_the_leaves_as_they_appear() -> None:
    nested = {
        "land": {"mammal": ["cat", "dog"], "bird": ["eagle"]},
        "water": {"fish": ["carp"], "crustacean": ["crab"]},
    }
    tree = LabelTree.from_nested("animals", ("fine", "kind", "home"), nested)
    assert tree.names[0] == ("cat", "dog", "eagle", "carp", "crab")
    assert tree.parents == ((0, 0, 1, 2, 3), (0, 0, 1, 1))
    assert LabelTree.from_nested("flat", ("fine",), ["cat", "dog"]).names == (("cat", "dog"),)


PARTS = {"name": "t", "levels": ["fine", "kind"], "names": [["cat", "carp"], ["pet", "food"]], "parents": [[0, 1]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": [], "names": [], "parents": []}, "has 0 levels"),
        ({"parents": []}, "has 2 levels, names for 2 and parents for 0"),
        ({"levels": ["fine", "fine"]}, "names a level twice: 'fine'"),
        ({"names": [["cat", "cat"], ["pet", "food"]]}, "level 'fine' of tree 't' names a class twice: 'cat'"),
        ({"names": [[], []], "parents": [[]]}, "tree 't' has no leaves"),
        ({"parents": [[0]]}, "level 'fine' has 2 classes and 1 parents"),
        ({"parents": [[0, 2]]}, "'carp' has parent 2, but level 'kind' has ids 0 to 1"),
        ({"parents": [[0, -1]]}, "'carp' has parent -1"),
        ({"parents": [[0, 0]]}, "'food' of level 'kind' has no children"),
        ({"parents": [["one", "two"]]}, "this is no label tree"),
        ({"parents": None}, "this is no label tree"),
    ],
)
def test_json_that_makes_no_tree(change: dict[str, object], message: str) -> None:
    assert LabelTree.from_json(PARTS).to_json() == PARTS
    with pytest.raises(UserError, match=message):
        LabelTree.from_json(PARTS | change)


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        ({"pet": ["cat"], "food": []}, "'food' has no children"),
        ({"pet": ["cat"], "food": ["carp", "cat"]}, "tree 't' names a leaf twice: 'cat'"),
        ({"pet": "cat"}, "'cat' stands where a list of leaves should"),
        ({"pet": {"mammal": ["cat"]}}, "'cat' lies 3 levels deep, tree 't' has 2"),
        ({}, "tree 't' has no leaves"),
    ],
)
def test_nested_names_that_make_no_tree(nested: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LabelTree.from_nested("t", ("fine", "kind"), nested)


def test_a_class_has_one_parent() -> None:
    with pytest.raises(UserError, match="'mammal' has two parents: 'land' and 'water'"):
        LabelTree.from_nested(
            "t", ("fine", "kind", "home"), {"land": {"mammal": ["cat"]}, "water": {"mammal": ["whale"]}}
        )
