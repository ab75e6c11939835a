"""Laws of every way to decode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Predictions, predictions

from treehead.decode import DECODERS, Decoded, decode, restricted
from treehead.hierarchy.subtree import leaves_under
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.flat import accuracy, ranked
from treehead.metrics.hierarchical import full_path_accuracy, tree_inconsistency
from treehead.posterior.pooling import node_probabilities, restricted_leaves
from treehead.types import Array

CONSISTENT = sorted(set(DECODERS) - {"independent"})


def nodes_of(made: Predictions) -> list[Array]:
    """The sums of the leaf head's probabilities."""
    return node_probabilities(made.probabilities[0], made.tree)


def decoded_of(kind: str, made: Predictions) -> Decoded:
    return decode(kind, nodes_of(made), made.tree, heads=made.probabilities)


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True))
def test_answers_are_class_ids_and_every_leaf_has_a_score(kind: str, made: Predictions) -> None:
    decoded = decoded_of(kind, made)
    assert decoded.answers.shape == made.labels.shape
    assert decoded.answers.dtype == np.int64
    assert (decoded.answers >= 0).all()
    assert (decoded.answers < made.tree.sizes).all()
    assert decoded.leaf_scores.shape == made.probabilities[0].shape


@pytest.mark.parametrize("kind", CONSISTENT)
@given(made=predictions(ties=True))
def test_answers_follow_the_tree(kind: str, made: Predictions) -> None:
    answers = decoded_of(kind, made).answers
    assert tree_inconsistency(made.tree.ancestors, answers) == 0
    assert full_path_accuracy(made.labels, answers) == accuracy(made.labels[:, 0], answers[:, 0])


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True))
def test_the_answer_is_the_first_of_the_ranking(kind: str, made: Predictions) -> None:
    decoded = decoded_of(kind, made)
    np.testing.assert_array_equal(decoded.answers[:, 0], ranked(decoded.leaf_scores, 1)[:, 0])


@pytest.mark.parametrize("kind", ["top_down", "marginal"])
@given(made=predictions(ties=False))
def test_leaves_are_ranked_branch_by_branch(kind: str, made: Predictions) -> None:
    ranking = ranked(decoded_of(kind, made).leaf_scores, made.tree.num_leaves)
    levels = made.probabilities if kind == "top_down" else nodes_of(made)
    for image, leaves in enumerate(ranking):
        paths = made.tree.ancestors[::-1, leaves].T  # the top level first
        scores = [[levels[~depth][image, i] for depth, i in enumerate(path)] for path in paths]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True))
def test_confident_consistent_heads_give_the_answer(kind: str, made: Predictions) -> None:
    sure = [np.eye(size)[made.labels[:, level]] for level, size in enumerate(made.tree.sizes)]
    np.testing.assert_array_equal(decode(kind, sure, made.tree, heads=sure).answers, made.labels)


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=False))
def test_without_a_hierarchy_every_kind_takes_the_most_probable_leaf(kind: str, made: Predictions) -> None:
    flat, leaves = LabelTree("flat", made.tree.levels[:1], made.tree.names[:1], ()), made.probabilities[0]
    np.testing.assert_array_equal(decode(kind, [leaves], flat).answers[:, 0], leaves.argmax(axis=1))


@given(predictions(ties=False))
def test_path_takes_the_most_probable_leaf(made: Predictions) -> None:
    np.testing.assert_array_equal(decoded_of("path", made).answers[:, 0], made.probabilities[0].argmax(axis=1))


@given(predictions(ties=True))
def test_crm_expects_the_least_severity(made: Predictions) -> None:
    decoded = decoded_of("crm", made)
    expected = made.probabilities[0] @ made.tree.heights
    np.testing.assert_allclose(-decoded.leaf_scores, expected, atol=1e-12)
    answers = decoded.answers[:, 0]
    np.testing.assert_allclose(expected[np.arange(len(answers)), answers], expected.min(axis=1), atol=1e-12)


@given(predictions(ties=False))
def test_top_down_and_marginal_start_from_the_most_probable_top_class(made: Predictions) -> None:
    for kind, scores in (("top_down", made.probabilities[-1]), ("marginal", nodes_of(made)[-1])):
        answers = decoded_of(kind, made).answers[:, -1]
        chosen = scores[np.arange(len(answers)), answers]
        np.testing.assert_allclose(chosen, scores.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True), pick=st.integers(0, 10**6))
def test_restricted_answers_are_below_the_node(kind: str, made: Predictions, pick: int) -> None:
    level = pick % len(made.tree.levels)
    node = made.tree.names[level][pick % made.tree.sizes[level]]
    leaves = leaves_under(made.tree, node)
    heads = restricted(made.probabilities, made.tree, leaves)
    nodes = node_probabilities(restricted_leaves(made.probabilities[0], leaves), made.tree)
    answers = decode(kind, nodes, made.tree, heads=heads).answers
    assert leaves[answers[:, 0]].all()
    for column, ids in zip(answers.T, made.tree.ancestors, strict=True):
        assert np.isin(column, ids[leaves]).all()
    for before, after in zip(made.probabilities, heads, strict=True):
        np.testing.assert_allclose(after.sum(axis=1), 1)
        left = after[0] > 0
        np.testing.assert_allclose(after[0][left] / before[0][left], 1 / before[0][left].sum())  # odds are kept
    assert nodes[level][:, pick % made.tree.sizes[level]] == pytest.approx(1)
    left = leaves & (nodes[0][0] > 0)
    odds = nodes[0][0][left] / made.probabilities[0][0][left]
    np.testing.assert_allclose(odds, 1 / made.probabilities[0][0][left].sum())
