"""Guarantees: thresholds by hand, and their promise kept on images drawn like the held-out ones."""

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.metrics.selective import deepest_confident
from treehead.posterior.conformal import (
    back_off_threshold,
    nonconformity,
    prediction_sets,
    risk_scores,
    set_threshold,
)
from treehead.types import UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp", "eel"]})


def test_an_answer_is_wrong_up_to_its_least_deep_mistake() -> None:
    confidences = np.array([[0.4, 0.7], [0.4, 0.7], [0.4, 0.7]])
    right = np.array([[True, True], [False, True], [False, False]])
    np.testing.assert_array_equal(risk_scores(confidences, right), [-1, 0.4, 0.7])


def test_the_threshold_by_hand() -> None:
    """Of 19 images, 20 % allow 3 wrong ones beside the new image: (3 + 1) / 20."""
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, *[-1.0] * 14])
    threshold = back_off_threshold(scores, max_error=0.2)
    assert (scores >= threshold).sum() == 3
    assert 0.6 < threshold < 0.600001
    assert back_off_threshold(scores, max_error=0.3) == 0


@pytest.mark.parametrize("max_error", [0.02, 0.1, 0.3])
def test_the_share_of_wrong_answers_is_kept(max_error: float) -> None:
    """Over 300 draws of held-out images, the mean error of new ones is at most what was asked, and not far below."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(300):
        leaf, kind = rng.uniform(0, 1, (2, 400))
        confidences = np.stack([leaf, np.maximum(leaf, kind)], axis=1)
        kind_right = rng.uniform(size=400) < confidences[:, 1]
        right = np.stack([kind_right & (rng.uniform(size=400) < 0.8), kind_right], axis=1)
        threshold = back_off_threshold(risk_scores(confidences[:200], right[:200]), max_error=max_error)
        depth = deepest_confident(confidences[200:], threshold=threshold)
        answered = depth < 2
        rows = np.arange(200, 400)[answered]
        errors.append((~right[rows, depth[answered]]).sum() / 200)
    assert np.mean(errors) < max_error + 0.003
    assert np.mean(errors) > 0.75 * max_error - 0.005


def test_sets_hold_the_truth_as_often_as_asked() -> None:
    rng = np.random.default_rng(1)
    leaves = rng.dirichlet(np.ones(4) * 0.5, 4000)
    labels = np.array([rng.choice(4, p=row) for row in leaves])
    threshold = set_threshold(nonconformity(leaves[:2000], labels[:2000]), coverage=0.9)
    held = 0
    for nodes, label in zip(prediction_sets(leaves[2000:], PETS, threshold=threshold), labels[2000:], strict=True):
        held += any(PETS.ancestors[level, label] == node for level, node in nodes)
    assert 0.88 < held / 2000 < 0.93


def test_a_set_is_told_by_the_fewest_nodes() -> None:
    leaves = np.array([[0.4, 0.3, 0.2, 0.1], [0.26, 0.25, 0.25, 0.24], [0.9, 0.05, 0.05, 0.0]])
    sets = prediction_sets(leaves, PETS, threshold=0.2)
    assert sets == [[(1, 0), (0, 2)], [(1, 0), (1, 1)], [(0, 0)]]
    assert prediction_sets(leaves, PETS, threshold=2.0) == [[(0, 0)], [(0, 0)], [(0, 0)]]


@pytest.mark.parametrize(("max_error", "needed"), [(0.05, "19"), (0.01, "99"), (0.001, "999")])
def test_too_few_images_are_named(max_error: float, needed: str) -> None:
    with pytest.raises(UserError, match=f"needs at least {needed}"):
        back_off_threshold(np.zeros(10), max_error=max_error)
    back_off_threshold(np.zeros(int(needed)), max_error=max_error)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_a_share_lies_between_0_and_1(share: float) -> None:
    with pytest.raises(UserError, match="must be between 0 and 1"):
        back_off_threshold(np.zeros(100), max_error=share)
