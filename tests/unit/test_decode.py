"""One image on which the ways to decode disagree, decoded by hand."""

import numpy as np
import pytest

from treehead.decode import decode, path_shares, restricted
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
CAT, DOG, CARP = range(3)
MAMMAL, FISH = range(2)
FINE = np.array([[0.25, 0.35, 0.40]])
KIND = np.array([[0.55, 0.45]])


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("independent", [CARP, MAMMAL]),  # each head's best; a carp is no mammal
        ("top_down", [DOG, MAMMAL]),  # mammal first, then the better mammal
        ("path", [DOG, MAMMAL]),  # .35 * .55 > .40 * .45 > .25 * .55
        ("marginal", [DOG, MAMMAL]),  # .25 + .35 > .40
        ("crm", [DOG, MAMMAL]),  # expected severities 1.15, 1.05, 1.20
    ],
)
def test_every_kind_by_hand(kind: str, answer: list[int]) -> None:
    answers = decode(kind, [FINE, KIND], PETS).answers
    np.testing.assert_array_equal(answers, [answer])
    assert answers.dtype == np.int64


def test_path_adds_the_heads_log_probabilities() -> None:
    answers = decode("path", [FINE, np.array([[0.51, 0.49]])], PETS).answers  # .40 * .49 > .35 * .51
    np.testing.assert_array_equal(answers, [[CARP, FISH]])


def test_marginal_and_crm_use_the_leaf_head_only() -> None:
    for kind in ("marginal", "crm"):
        answers = decode(kind, [FINE, np.array([[0.0, 1.0]])], PETS).answers
        np.testing.assert_array_equal(answers, [[DOG, MAMMAL]], err_msg=kind)


def test_marginal_takes_the_more_probable_class_even_if_its_leaves_are_improbable() -> None:
    tree = LabelTree.from_nested("t", ("fine", "kind"), {"many": ["a", "b", "c"], "one": ["d"]})
    answers = decode("marginal", [np.array([[0.15, 0.25, 0.2, 0.4]]), KIND], tree).answers
    np.testing.assert_array_equal(answers, [[1, 0]])


def test_leaf_scores_of_every_kind() -> None:
    scores = {kind: decode(kind, [FINE, KIND], PETS).leaf_scores for kind in ("independent", "path", "crm")}
    np.testing.assert_array_equal(scores["independent"], FINE)
    np.testing.assert_allclose(scores["path"], np.log([[0.25 * 0.55, 0.35 * 0.55, 0.40 * 0.45]]))
    np.testing.assert_allclose(scores["crm"], [[-1.15, -1.05, -1.20]], rtol=1e-6)


def test_path_is_finite_with_zero_probabilities() -> None:
    decoded = decode("path", [np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0]])], PETS)
    assert np.isfinite(decoded.leaf_scores).all()
    np.testing.assert_array_equal(decoded.answers, [[CAT, MAMMAL]])  # one clipped head each: the lower id


@pytest.mark.parametrize("kind", ["independent", "top_down", "path", "marginal"])
def test_ties_go_to_the_lower_id(kind: str) -> None:
    even = [np.full((1, 4), 0.25), np.full((1, 2), 0.5)]
    tree = LabelTree.from_nested("t", ("fine", "kind"), {"x": ["a", "b"], "y": ["c", "d"]})
    np.testing.assert_array_equal(decode(kind, even, tree).answers, [[0, 0]])


def test_an_unknown_kind_is_an_error_that_lists_the_kinds() -> None:
    with pytest.raises(UserError, match="'best' is unknown; choose one of independent, top_down, path, marginal, crm"):
        decode("best", [FINE, KIND], PETS)


def test_restricted_to_a_node_by_hand() -> None:
    fine, kind = restricted([FINE, KIND], PETS, np.array([True, True, False]))
    np.testing.assert_allclose(fine, [[25 / 60, 35 / 60, 0]])
    np.testing.assert_array_equal(kind, [[1, 0]])


def test_restricted_is_uniform_where_a_head_had_zero_probabilities() -> None:
    sure = [np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, 1.0]])]
    fine, kind = restricted(sure, PETS, np.array([True, True, False]))
    np.testing.assert_array_equal(fine, [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(kind, [[1, 0]])


def test_path_shares_are_finite_with_zero_probabilities() -> None:
    shares = path_shares([np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0]])], PETS)
    np.testing.assert_allclose(shares, [[0.5, 0, 0.5]], atol=1e-11)
