"""A tree of five leaves, small enough to check by hand."""

import dataclasses
import pickle

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


def test_ancestors_hold_the_class_of_each_leaf_at_each_level() -> None:
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


def test_leaf_order_keeps_siblings_adjacent() -> None:
    assert [ANIMALS.names[0][leaf] for leaf in ANIMALS.leaf_order] == ["cat", "dog", "eagle", "carp", "crab"]


def test_paths_run_from_the_leaf_up() -> None:
    assert ANIMALS.path_names(4) == ("crab", "crustacean", "water")
    np.testing.assert_array_equal(ANIMALS.label_paths(np.array([2, 4, 2])), [[2, 0, 0], [4, 3, 1], [2, 0, 0]])


def test_derived_arrays_are_computed_once_and_read_only() -> None:
    assert ANIMALS.ancestors is ANIMALS.ancestors
    assert ANIMALS.heights is ANIMALS.heights
    for array in (ANIMALS.ancestors, ANIMALS.heights):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_computed_arrays_change_neither_equality_nor_copies() -> None:
    used = dataclasses.replace(ANIMALS)
    assert used.heights.shape == (5, 5)
    fresh = dataclasses.replace(used)
    assert fresh == used
    assert hash(fresh) == hash(used)
    assert dataclasses.replace(used, name="zoo").name == "zoo"
    restored = pickle.loads(pickle.dumps(used))
    assert restored == used
    assert vars(restored) == vars(fresh)
    np.testing.assert_array_equal(restored.heights, used.heights)


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
        ({"levels": ["fine", "fine"]}, "tree 't' has two levels of the same name: 'fine'"),
        (
            {"names": [["cat", "cat"], ["pet", "food"]]},
            "level 'fine' of tree 't' has two classes of the same name: 'cat'",
        ),
        ({"names": [[], []], "parents": [[]]}, "tree 't' has no leaves"),
        ({"parents": [[0]]}, "level 'fine' has 2 classes but 1 parents"),
        ({"parents": [[0, 2]]}, "'carp' has parent 2, but level 'kind' has ids 0 to 1"),
        ({"parents": [[0, -1]]}, "'carp' has parent -1"),
        ({"parents": [[0, 0]]}, "'food' of level 'kind' has no children"),
        ({"parents": [["one", "two"]]}, "not a label tree as JSON"),
        ({"parents": None}, "not a label tree as JSON"),
    ],
)
def test_invalid_json_is_refused(change: dict[str, object], message: str) -> None:
    assert LabelTree.from_json(PARTS).to_json() == PARTS
    with pytest.raises(UserError, match=message):
        LabelTree.from_json(PARTS | change)


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        ({"pet": ["cat"], "food": []}, "'food' has no children"),
        ({"pet": ["cat"], "food": ["carp", "cat"]}, "tree 't' has two leaves of the same name: 'cat'"),
        ({"pet": "cat"}, "expected a list of leaf names, got the name 'cat'"),
        ({"pet": {"mammal": ["cat"]}}, r"\('cat', 'mammal', 'pet'\) has 3 names, but tree 't' has 2 levels"),
        ({}, "tree 't' has no leaves"),
    ],
)
def test_invalid_nested_names_are_refused(nested: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LabelTree.from_nested("t", ("fine", "kind"), nested)


def test_a_class_has_one_parent() -> None:
    with pytest.raises(UserError, match="'mammal' has two parents: 'land' and 'water'"):
        LabelTree.from_nested(
            "t", ("fine", "kind", "home"), {"land": {"mammal": ["cat"]}, "water": {"mammal": ["whale"]}}
        )
