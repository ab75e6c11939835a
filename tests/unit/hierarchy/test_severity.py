"""Severities of trees small enough to count by hand."""

import numpy as np

from treehead.hierarchy.severity import chance_shares, level_severities, severity_matrix
from treehead.hierarchy.tree import LabelTree

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})


def test_the_severity_matrix_is_the_heights_as_float32() -> None:
    np.testing.assert_array_equal(severity_matrix(PETS), [[0, 1, 2], [1, 0, 2], [2, 2, 0]])
    assert severity_matrix(PETS).dtype == np.float32


def test_chance_shares_count_the_wrong_pairs() -> None:
    np.testing.assert_allclose(chance_shares(PETS), [2 / 6, 4 / 6])  # cat-dog both ways; cat-carp, dog-carp both ways


def test_a_severity_that_cannot_occur_has_no_share() -> None:
    all_pets = LabelTree.from_nested("pets", ("fine", "kind"), {"pet": ["cat", "dog", "carp"]})
    np.testing.assert_array_equal(chance_shares(all_pets), [1, 0])


def test_a_tree_of_one_leaf_has_no_mistakes() -> None:
    np.testing.assert_array_equal(chance_shares(LabelTree.from_nested("one", ("fine",), ["cat"])), [0])


def test_severities_of_a_level_start_at_that_level() -> None:
    tree = LabelTree.from_nested("t", ("leaf", "mid"), {"x": ["a", "b"], "y": ["c"]})
    leaves, mids = level_severities(tree)
    assert leaves.tolist() == severity_matrix(tree).tolist() == [[0, 1, 2], [1, 0, 2], [2, 2, 0]]
    assert mids.tolist() == [[0, 1], [1, 0]]
