"""Laws of the posterior, on any tree."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from strategies import Predictions, predictions

from treehead.metrics.flat import log_loss
from treehead.posterior import pooling
from treehead.posterior.pooling import fit_weights, node_probabilities, pool

WEIGHTS = st.lists(st.floats(0, 3, allow_subnormal=False), min_size=4, max_size=4)  # torch may flush subnormals


def logits_of(made: Predictions) -> list[np.ndarray]:
    return [np.log(level) for level in made.probabilities]


@given(made=predictions(ties=True), weights=WEIGHTS)
def test_it_is_the_normalised_product_of_powers(made: Predictions, weights: list[float]) -> None:
    weights = weights[: len(made.tree.levels)]
    powers = [
        level[:, ids] ** w for level, ids, w in zip(made.probabilities, made.tree.ancestors, weights, strict=True)
    ]
    product = np.prod(powers, axis=0)
    np.testing.assert_allclose(
        pool(logits_of(made), made.tree, weights), product / product.sum(axis=1, keepdims=True), atol=1e-12
    )


@given(made=predictions(ties=False), weights=WEIGHTS, shift=st.floats(-50, 50, allow_subnormal=False))
def test_what_is_added_to_all_logits_of_a_head_cancels(made: Predictions, weights: list[float], shift: float) -> None:
    weights = weights[: len(made.tree.levels)]
    logits = logits_of(made)
    moved = pool([level + shift for level in logits], made.tree, weights)
    np.testing.assert_allclose(moved, pool(logits, made.tree, weights), atol=1e-9)


@given(made=predictions(ties=True), weights=WEIGHTS)
def test_nodes_are_sums_and_grow_towards_the_root(made: Predictions, weights: list[float]) -> None:
    leaves = pool(logits_of(made), made.tree, weights[: len(made.tree.levels)])
    nodes = node_probabilities(leaves, made.tree)
    for level, size, ids in zip(nodes, made.tree.sizes, made.tree.ancestors, strict=True):
        np.testing.assert_allclose(level, leaves @ np.eye(size)[ids], atol=1e-12)
        assert level.sum(axis=1) == pytest.approx(1)
    for below, above, parents in zip(nodes, nodes[1:], made.tree.parents, strict=False):
        assert (above[:, list(parents)] >= below).all()


@given(made=predictions(ties=False), depth=st.integers(0, 3), weights=WEIGHTS)
def test_the_gradient_of_the_fit_is_the_slope_of_its_loss(made: Predictions, depth: int, weights: list[float]) -> None:
    level = min(depth, len(made.tree.levels) - 1)
    below = made.tree.ancestors[level] == made.labels[:, level][:, None]
    at = np.array(weights[: len(made.tree.levels)]) + 0.1
    _, slope = pooling._loss(logits_of(made), below, made.tree, at)
    numeric: Any = approx_fprime(at, lambda w: pooling._loss(logits_of(made), below, made.tree, w)[0], 1e-6)
    np.testing.assert_allclose(slope, numeric, atol=1e-3)


@given(made=predictions(ties=False, min_leaves=2))
def test_fitted_weights_lose_no_more_than_the_leaf_head(made: Predictions) -> None:
    logits = logits_of(made)
    weights = fit_weights(logits, made.labels, made.tree)
    assert all(0 <= weight <= pooling.LARGEST for weight in weights)
    leaf = made.labels[:, 0]
    plain = log_loss(leaf, pool(logits, made.tree, np.eye(len(weights))[0]))
    assert log_loss(leaf, pool(logits, made.tree, weights)) <= plain + 1e-6
