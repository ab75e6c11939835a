"""The posterior on trees small enough to work out by hand."""

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.posterior import pooling
from treehead.posterior.pooling import fit_weights, node_probabilities, pool
from treehead.types import RunError, UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
LEAF, KIND = np.array([[0.5, 0.3, 0.2]]), np.array([[0.25, 0.75]])


def logits() -> list[np.ndarray]:
    return [np.log(LEAF), np.log(KIND)]


def test_the_leaf_head_alone_is_left_as_it_is() -> None:
    np.testing.assert_allclose(pool(logits(), PETS, (1, 0)), LEAF)


def test_both_heads_pooled_by_hand() -> None:
    product = np.array([[0.5 * 0.25, 0.3 * 0.25, 0.2 * 0.75]])
    np.testing.assert_allclose(pool(logits(), PETS, (1, 1)), product / product.sum())


def test_a_weight_is_an_inverse_temperature() -> None:
    cooled = np.exp(np.log(LEAF) / 0.5)
    np.testing.assert_allclose(pool(logits(), PETS, (2, 0)), cooled / cooled.sum())


def test_a_node_is_the_sum_of_its_leaves() -> None:
    leaves, kinds = node_probabilities(LEAF, PETS)
    np.testing.assert_allclose(leaves, LEAF)
    np.testing.assert_allclose(kinds, [[0.8, 0.2]])


def test_a_head_that_is_right_as_often_as_it_says_keeps_its_weight() -> None:
    """A leaf head of 80 % on two leaves, right on 4 of 5 images: the likelihood is greatest at a weight of 1."""
    pair = LabelTree("pair", ("fine",), (("a", "b"),), ())
    heads = [np.log(np.tile([[0.8, 0.2]], (5, 1)))]
    assert fit_weights(heads, np.array([[0], [0], [0], [0], [1]]), pair) == pytest.approx((1.0,), abs=1e-4)
    assert fit_weights(heads, np.array([[0], [1], [0], [1], [0]]), pair)[0] < 0.4


def test_images_known_part_of_the_way_count_at_their_deepest_level() -> None:
    """What is known of the kind alone pulls on the sum of the leaves below it."""
    heads = [np.log(np.tile(LEAF, (4, 1))), np.log(np.tile(KIND, (4, 1)))]
    known = np.array([[-1, 0], [-1, 0], [-1, 0], [-1, 1]])
    weights = fit_weights(heads, known, PETS)
    kinds = node_probabilities(pool(heads, PETS, weights), PETS)[1]
    assert kinds[0, 0] == pytest.approx(0.75, abs=0.06)
    assert fit_weights(heads, np.vstack([known[:3], [[-1, -1]]]), PETS)[0] > weights[0]


def test_a_large_fit_in_parts_is_the_same_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    heads = [rng.normal(size=(50, size)) for size in PETS.sizes]
    labels = PETS.label_paths(rng.integers(3, size=50))
    whole = fit_weights(heads, labels, PETS)
    monkeypatch.setattr(pooling, "CHUNK", 7 * 3)
    assert fit_weights(heads, labels, PETS) == pytest.approx(whole, abs=1e-5)


def test_what_cannot_be_fitted_is_one_sentence() -> None:
    with pytest.raises(UserError, match="no held-out image has a known label"):
        fit_weights(logits(), np.array([[-1, -1]]), PETS)
    with pytest.raises(RunError, match="NaN"):
        pool([np.full((1, 3), np.nan), np.log(KIND)], PETS, (1, 0))
