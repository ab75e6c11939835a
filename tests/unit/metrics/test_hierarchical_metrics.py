"""Metrics of the whole tree, by hand: cat and dog are mammals, carp is a fish."""

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.metrics.flat import recalls
from treehead.metrics.hierarchical import (
    full_path_accuracy,
    hd_at_k,
    mistake_severity,
    path_overlap,
    severities,
    severity_counts,
    severity_share,
    tree_inconsistency,
)
from treehead.metrics.summary import summarise
from treehead.types import UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
CAT, DOG, CARP = range(3)
LABELS = np.array([[CAT, 0], [CAT, 0], [DOG, 0], [CARP, 1]])
ANSWERS = np.array([[CAT, 0], [DOG, 0], [CARP, 0], [CARP, 1]])  # right, sibling, fish called a mammal, right
FINE = np.array([[0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6]])
KIND = np.array([[0.75, 0.25], [0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])


def test_severities_are_heights() -> None:
    np.testing.assert_array_equal(severities(PETS.heights, LABELS[:, 0], ANSWERS[:, 0]), [0, 1, 2, 0])


def test_severity_counts_shares_and_mean() -> None:
    counts = severity_counts(PETS.heights, LABELS[:, 0], ANSWERS[:, 0], num_levels=2)
    np.testing.assert_array_equal(counts, [2, 1, 1])
    assert severity_share(counts) == [0.5, 0.5]
    assert mistake_severity(counts) == 1.5


def test_without_mistakes_there_is_no_mean_over_them() -> None:
    counts = severity_counts(PETS.heights, LABELS[:, 0], LABELS[:, 0], num_levels=2)
    np.testing.assert_array_equal(counts, [4, 0, 0])
    assert severity_share(counts) is None
    assert mistake_severity(counts) is None


def test_severities_without_images_are_counted_as_zero() -> None:
    all_pets = LabelTree.from_nested("pets", ("fine", "kind"), {"pet": ["cat", "dog", "carp"]})
    counts = severity_counts(all_pets.heights, np.array([CAT]), np.array([DOG]), num_levels=2)
    np.testing.assert_array_equal(counts, [0, 1, 0])


def test_hd_at_k_is_the_mean_over_the_best_k() -> None:
    distances = [hd_at_k(PETS.heights, LABELS[:, 0], FINE, k=k) for k in (1, 2, 3)]
    at_2 = (0 + 1) / 2, (1 + 0) / 2, (2 + 0) / 2, (0 + 2) / 2  # the last image: cat before dog, by id
    at_3 = (0 + 1 + 2) / 3, (1 + 0 + 2) / 3, (2 + 0 + 1) / 3, (0 + 2 + 2) / 3
    assert distances == pytest.approx([3 / 4, sum(at_2) / 4, sum(at_3) / 4])


@pytest.mark.parametrize("k", [0, 4])
def test_hd_at_k_needs_at_least_k_leaves(k: int) -> None:
    with pytest.raises(UserError, match=f"HD@{k} is not defined: k runs from 1 to the tree's 3 leaves"):
        hd_at_k(PETS.heights, LABELS[:, 0], FINE, k=k)


def test_full_path_accuracy_needs_every_level_right() -> None:
    assert full_path_accuracy(LABELS, ANSWERS) == 0.5
    assert full_path_accuracy(LABELS, np.array([[CAT, 1], [CAT, 0], [DOG, 0], [CARP, 1]])) == 0.75


def test_tree_inconsistency_is_contradiction_not_error() -> None:
    assert tree_inconsistency(PETS.ancestors, ANSWERS) == 0.25  # the carp that is a mammal
    assert tree_inconsistency(PETS.ancestors, LABELS[::-1]) == 0


def test_path_overlap_counts_answered_classes_and_their_ancestors() -> None:
    overlap = path_overlap(PETS.parents, LABELS, ANSWERS)
    shared, answered, true = 2 + 1 + 1 + 2, 2 + 2 + 3 + 2, 8  # carp and mammal imply fish as well: three classes
    assert overlap == pytest.approx({"precision": shared / answered, "recall": shared / true, "f1": 12 / 17})


def test_path_overlap_of_nothing_shared_is_zero() -> None:
    assert path_overlap(PETS.parents, LABELS[:1], ANSWERS[3:]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_the_summary_holds_every_figure() -> None:
    summary = dict(summarise(PETS, labels=LABELS, answers=ANSWERS, probabilities=[FINE, KIND]))
    losses = {"fine": -np.log([0.5, 0.3, 0.3, 0.6]).mean(), "kind": -np.log([0.75, 0.9, 0.6, 0.8]).mean()}
    assert summary.pop("loss") == pytest.approx(losses)
    assert summary.pop("calibration_error") == pytest.approx({"fine": 0.325, "kind": 0.2375})
    assert summary.pop("severity_chance") == pytest.approx([1 / 3, 2 / 3])
    assert summary.pop("hierarchical") == path_overlap(PETS.parents, LABELS, ANSWERS)
    assert summary == {
        "images": 4,
        "known": {"fine": 4, "kind": 4},
        "recall": {"fine": [0.5, 0.0, 1.0], "kind": [1.0, 1.0]},
        "accuracy": {"fine": 0.5, "kind": 1.0},
        "top5": {"fine": 1.0, "kind": 1.0},
        "confusion": {"fine": [[1, 1, 0], [0, 0, 1], [0, 0, 1]], "kind": [[3, 0], [0, 1]]},
        "severity_counts": [2, 1, 1],
        "severity_share": [0.5, 0.5],
        "mistake_severity": 1.5,
        "hd": {"1": 0.75},  # three leaves: no HD@5
        "full_path_accuracy": 0.5,
        "tree_inconsistency": 0.25,
    }


def test_the_summary_ranks_leaves_by_the_given_scores() -> None:
    perfect = np.eye(3)[LABELS[:, 0]]
    summary = summarise(PETS, labels=LABELS, answers=ANSWERS, probabilities=[FINE, KIND], leaf_scores=perfect)
    assert summary["hd"] == {"1": 0.0}


def test_unknown_labels_are_left_out_of_every_figure() -> None:
    partly = np.concatenate([LABELS, [[-1, 0], [-1, 1]]])
    more = np.concatenate([ANSWERS, [[DOG, 0], [CARP, 0]]])
    summary = summarise(
        PETS, labels=partly, answers=more, probabilities=[FINE[[0, 1, 2, 3, 0, 0]], KIND[[0, 1, 2, 3, 0, 0]]]
    )
    whole = summarise(PETS, labels=LABELS, answers=ANSWERS, probabilities=[FINE, KIND])
    for key in ("severity_counts", "mistake_severity", "hd", "full_path_accuracy", "hierarchical"):
        assert summary[key] == whole[key]
    for key in ("accuracy", "loss", "recall", "confusion", "calibration_error"):
        assert summary[key]["fine"] == whole[key]["fine"]
    assert summary["known"] == {"fine": 4, "kind": 6}
    assert summary["accuracy"]["kind"] == 5 / 6
    assert summary["recall"]["kind"] == [1.0, 0.5]
    with pytest.raises(UserError, match="no test image is labelled at some level"):
        summarise(PETS, labels=partly[4:], answers=more[4:], probabilities=[FINE[:2], KIND[:2]])


def test_a_class_without_images_has_no_recall() -> None:
    assert recalls(np.array([[3, 1], [0, 0]])) == [0.75, None]


def test_no_images_is_an_error() -> None:
    with pytest.raises(UserError, match="there are no test images to measure on"):
        summarise(PETS, labels=LABELS[:0], answers=ANSWERS[:0], probabilities=[FINE[:0], KIND[:0]])
