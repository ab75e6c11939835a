"""Labels of a data set on another tree of the same leaves."""

import dataclasses

import numpy as np
import pytest

from treehead.data.dataset import Dataset, Images
from treehead.data.relabel import on_tree
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

LEVELS = ("fine", "kind")
TREE = LabelTree.from_nested("pets", LEVELS, {"mammal": ["cat", "dog"], "fish": ["carp", "eel"]})
BY_SIZE = LabelTree.from_nested("pets", LEVELS, {"small": ["eel", "cat"], "large": ["carp", "dog"]})


def dataset(labels: list[list[int]]) -> Dataset:
    images = Images(np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1), np.array(labels))
    return Dataset("pets", TREE, images, images)


def test_leaves_keep_their_names_and_get_the_parents_of_the_other_tree() -> None:
    made = on_tree(dataset([[0, 0], [1, 0], [2, 1], [3, 1]]), BY_SIZE)
    assert made.tree is BY_SIZE
    assert made.test.labels.tolist() == [[1, 0], [3, 1], [2, 1], [0, 0]]
    assert made.test.pixels.ravel().tolist() == [0, 1, 2, 3]
    assert made.validation is None
    assert on_tree(made, TREE).train.labels.tolist() == [[0, 0], [1, 0], [2, 1], [3, 1]]


def test_an_equal_tree_of_another_name_changes_nothing() -> None:
    given = dataset([[-1, 0]])
    assert on_tree(given, dataclasses.replace(TREE, name="animals")) is given


def test_other_leaves_are_refused() -> None:
    fewer = LabelTree.from_nested("pets", LEVELS, {"mammal": ["cat", "dog"], "fish": ["carp"]})
    with pytest.raises(UserError, match="'eel' is a class of the data set, but not of the run"):
        on_tree(dataset([[0, 0]]), fewer)
    more = LabelTree.from_nested("pets", LEVELS, {"mammal": ["ape", "cat", "dog"], "fish": ["carp", "eel"]})
    with pytest.raises(UserError, match="'ape' is a class of the run, but not of its data set"):
        on_tree(dataset([[0, 0]]), more)


def test_an_image_without_a_leaf_has_no_place_on_another_tree() -> None:
    with pytest.raises(UserError, match="some images have no leaf label; train again"):
        on_tree(dataset([[0, 0], [-1, 1]]), BY_SIZE)
