"""Laws of every way to decode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Predictions, predictions

from treehead.decode import DECODERS, decode, path_shares, restricted
from treehead.hierarchy.subtree import leaves_under
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.flat import accuracy, ranked
from treehead.metrics.hierarchical import full_path_accuracy, tree_inconsistency

CONSISTENT = sorted(set(DECODERS) - {"independent"})


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True))
def test_answers_are_class_ids_and_every_leaf_has_a_score(kind: str, made: Predictions) -> None:
    decoded = decode(kind, made.probabilities, made.tree)
    assert decoded.answers.shape == made.labels.shape
    assert decoded.answers.dtype == np.int64
    assert (decoded.answers >= 0).all()
    assert (decoded.answers < made.tree.sizes).all()
    assert decoded.leaf_scores.shape == made.probabilities[0].shape


@pytest.mark.parametrize("kind", CONSISTENT)
@given(made=predictions(ties=True))
def test_answers_follow_the_tree(kind: str, made: Predictions) -> None:
    answers = decode(kind, made.probabilities, made.tree).answers
    assert tree_inconsistency(made.tree.ancestors, answers) == 0
    assert full_path_accuracy(made.labels, answers) == accuracy(made.labels[:, 0], answers[:, 0])


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True))
def test_the_answer_is_the_first_of_the_ranking(kind: str, made: Predictions) -> None:
    decoded = decode(kind, made.probabilities, made.tree)
    np.testing.assert_array_equal(decoded.answers[:, 0], ranked(decoded.leaf_scores, 1)[:, 0])


@given(predictions(ties=False))
def test_top_down_ranks_branch_by_branch(made: Predictions) -> None:
    ranking = ranked(decode("top_down", made.probabilities, made.tree).leaf_scores, made.tree.num_leaves)
    for image, leaves in enumerate(ranking):
        paths = made.tree.ancestors[::-1, leaves].T  # the top level first
        scores = [[made.probabilities[~depth][image, i] for depth, i in enumerate(path)] for path in paths]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True))
def test_confident_consistent_heads_give_the_answer(kind: str, made: Predictions) -> None:
    sure = [np.eye(size)[made.labels[:, level]] for level, size in enumerate(made.tree.sizes)]
    np.testing.assert_array_equal(decode(kind, sure, made.tree).answers, made.labels)


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=False))
def test_without_a_hierarchy_every_kind_takes_the_most_probable_leaf(kind: str, made: Predictions) -> None:
    flat, leaves = LabelTree("flat", made.tree.levels[:1], made.tree.names[:1], ()), made.probabilities[0]
    np.testing.assert_array_equal(decode(kind, [leaves], flat).answers[:, 0], leaves.argmax(axis=1))


@given(predictions(ties=False))
def test_path_takes_the_most_probable_path(made: Predictions) -> None:
    found = decode("path", made.probabilities, made.tree).answers
    for image, answer in enumerate(found[:, 0]):
        products = [
            np.prod([level[image, i] for level, i in zip(made.probabilities, path, strict=True)])
            for path in made.tree.ancestors.T
        ]
        assert answer == np.argmax(products)


@given(predictions(ties=True))
def test_crm_expects_the_least_severity(made: Predictions) -> None:
    found = decode("crm", made.probabilities, made.tree).answers[:, 0]
    expected = made.probabilities[0] @ made.tree.heights
    np.testing.assert_allclose(expected[np.arange(len(found)), found], expected.min(axis=1), rtol=1e-12)


@given(predictions(ties=False))
def test_top_down_and_marginal_start_from_the_most_probable_top_class(made: Predictions) -> None:
    leaves, top = made.probabilities[0], made.tree.ancestors[-1]
    sums = np.stack([leaves[:, top == i].sum(axis=1) for i in range(made.tree.sizes[-1])], axis=1)
    for kind, scores in (("top_down", made.probabilities[-1]), ("marginal", sums)):
        found = decode(kind, made.probabilities, made.tree).answers[:, -1]
        chosen = scores[np.arange(len(found)), found]
        np.testing.assert_allclose(chosen, scores.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("kind", DECODERS)
@given(made=predictions(ties=True), pick=st.integers(0, 10**6))
def test_restricted_answers_are_below_the_node(kind: str, made: Predictions, pick: int) -> None:
    level = pick % len(made.tree.levels)
    node = made.tree.names[level][pick % made.tree.sizes[level]]
    leaves = leaves_under(made.tree, node)
    inside = restricted(made.probabilities, made.tree, leaves)
    answers = decode(kind, inside, made.tree).answers
    assert leaves[answers[:, 0]].all()
    for column, ids in zip(answers.T, made.tree.ancestors, strict=True):
        assert np.isin(column, ids[leaves]).all()
    for before, after in zip(made.probabilities, inside, strict=True):
        np.testing.assert_allclose(after.sum(axis=1), 1)
        left = after[0] > 0
        np.testing.assert_allclose(after[0][left] / before[0][left], 1 / before[0][left].sum())  # odds are kept


@given(predictions(ties=False))
def test_path_shares_are_the_products_of_the_heads(made: Predictions) -> None:
    shares = path_shares(made.probabilities, made.tree)
    products = np.prod(
        [level[:, ids] for level, ids in zip(made.probabilities, made.tree.ancestors, strict=True)], axis=0
    )
    np.testing.assert_allclose(shares, products / products.sum(axis=1, keepdims=True))
