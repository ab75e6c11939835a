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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("level", [0, 1])
def test_outputs_that_are_not_finite_are_one_sentence(value: float, level: int) -> None:
    """At every level, also one without a weight: its metrics would be wrong."""
    heads = logits()
    heads[level][0, 1] = value
    for call in (lambda: pool(heads, PETS, (1, 0)), lambda: fit_weights(heads, np.array([[0, 0]]), PETS)):
        with pytest.raises(RunError, match="NaN or infinite; train it again"):
            call()


def test_the_largest_outputs_of_a_float32_network_are_pooled() -> None:
    largest = np.finfo(np.float32).max
    heads = [np.array([[largest, -largest, 0]], np.float32), np.array([[0, -largest]], np.float32)]
    np.testing.assert_array_equal(pool(heads, PETS, (pooling.LARGEST, pooling.LARGEST)), [[1, 0, 0]])
    assert np.isfinite(fit_weights(heads, np.array([[1, 0]]), PETS)).all()


def test_heads_that_are_always_wrong_keep_an_answer() -> None:
    """Weights of 0 would fit best, and answer every image with the first leaf."""
    labels = PETS.label_paths(np.array([0, 1, 2, 0]))
    heads = [5 * np.eye(3)[[1, 2, 0, 2]], 5 * np.eye(2)[1 - labels[:, 1]]]
    weights = fit_weights(heads, labels, PETS)
    assert weights == (pooling.SMALLEST_LEAF, 0)
    assert pool(heads, PETS, weights).argmax(axis=1).tolist() == [1, 2, 0, 2]


def test_a_label_that_is_not_in_the_tree_is_refused() -> None:
    for label in ([3, 0], [-1, 2]):
        with pytest.raises(UserError, match="a label that is not in the tree"):
            fit_weights(logits(), np.array([label]), PETS)


def test_one_leaf_and_no_image_are_pooled() -> None:
    one = LabelTree("one", ("fine",), (("a",),), ())
    np.testing.assert_array_equal(pool([np.array([[-7.0]])], one, (1,)), [[1]])
    assert fit_weights([np.array([[-7.0]])], np.array([[0]]), one) == (1,)
    empty = node_probabilities(pool([np.zeros((0, 3)), np.zeros((0, 2))], PETS, (1, 1)), PETS)
    assert [level.shape for level in empty] == [(0, 3), (0, 2)]
