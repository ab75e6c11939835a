"""One image on which the ways to decode disagree, decoded by hand."""

import numpy as np
import pytest

from treehead.decode import decode, restricted
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
CAT, DOG, CARP = range(3)
MAMMAL, FISH = range(2)
FINE = np.array([[0.25, 0.35, 0.40]])
KIND = np.array([[0.60, 0.40]])
"""The sums of FINE."""
HEADS = [np.array([[0.5, 0.2, 0.3]]), np.array([[0.45, 0.55]])]
"""What the two heads say, each for itself."""


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("independent", [CAT, FISH]),  # each head's best; a cat is no fish
        ("top_down", [CARP, FISH]),  # fish first, then the only fish
        ("path", [CARP, FISH]),  # the most probable leaf
        ("marginal", [DOG, MAMMAL]),  # .60 > .40, then .35 > .25
        ("crm", [DOG, MAMMAL]),  # expected severities 1.15, 1.05, 1.20
    ],
)
def test_every_kind_by_hand(kind: str, answer: list[int]) -> None:
    answers = decode(kind, [FINE, KIND], PETS, heads=HEADS).answers
    np.testing.assert_array_equal(answers, [answer])
    assert answers.dtype == np.int64


@pytest.mark.parametrize("kind", ["path", "marginal", "crm"])
def test_the_heads_matter_only_to_the_decoders_that_read_them(kind: str) -> None:
    with_heads, without = (decode(kind, [FINE, KIND], PETS, heads=heads) for heads in (HEADS, None))
    np.testing.assert_array_equal(with_heads.answers, without.answers)
    np.testing.assert_array_equal(with_heads.leaf_scores, without.leaf_scores)


def test_marginal_takes_the_more_probable_class_even_if_its_leaves_are_improbable() -> None:
    tree = LabelTree.from_nested("t", ("fine", "kind"), {"many": ["a", "b", "c"], "one": ["d"]})
    answers = decode("marginal", [np.array([[0.15, 0.25, 0.2, 0.4]]), KIND], tree).answers
    np.testing.assert_array_equal(answers, [[1, 0]])


def test_leaf_scores_of_every_kind() -> None:
    kinds = ("independent", "path", "crm")
    scores = {kind: decode(kind, [FINE, KIND], PETS, heads=HEADS).leaf_scores for kind in kinds}
    np.testing.assert_array_equal(scores["independent"], HEADS[0])
    np.testing.assert_array_equal(scores["path"], FINE)
    np.testing.assert_allclose(scores["crm"], [[-1.15, -1.05, -1.20]])


@pytest.mark.parametrize("kind", ["independent", "top_down", "path", "marginal", "crm"])
def test_ties_go_to_the_lower_id(kind: str) -> None:
    even = [np.full((1, 4), 0.25), np.full((1, 2), 0.5)]
    tree = LabelTree.from_nested("t", ("fine", "kind"), {"x": ["a", "b"], "y": ["c", "d"]})
    np.testing.assert_array_equal(decode(kind, even, tree).answers, [[0, 0]])


def test_an_unknown_kind_is_an_error_that_lists_the_kinds() -> None:
    with pytest.raises(UserError, match="'best' is unknown; choose one of independent, top_down, path, marginal, crm"):
        decode("best", [FINE, KIND], PETS)


def test_heads_restricted_to_a_node_by_hand() -> None:
    fine, kind = restricted(HEADS, PETS, np.array([True, True, False]))
    np.testing.assert_allclose(fine, [[5 / 7, 2 / 7, 0]])
    np.testing.assert_array_equal(kind, [[1, 0]])


def test_restricted_is_uniform_where_a_head_had_zero_probabilities() -> None:
    sure = [np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, 1.0]])]
    fine, kind = restricted(sure, PETS, np.array([True, True, False]))
    np.testing.assert_array_equal(fine, [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(kind, [[1, 0]])
