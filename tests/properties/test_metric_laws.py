"""Laws of the metrics, and scikit-learn as their oracle."""

import json

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st
from strategies import Predictions, predictions

from treehead.metrics import flat, hierarchical
from treehead.metrics.summary import summarise
from treehead.types import Array

TOLERANCE = 1e-12  # float64 sums of a dozen terms, in another order


def leaves_of(made: Predictions) -> tuple[Array, Array, Array]:
    """True leaves, the scores and their best."""
    scores = made.probabilities[0]
    return made.labels[:, 0], scores, scores.argmax(axis=1)


@given(predictions(ties=False, min_leaves=3))
def test_flat_metrics_agree_with_scikit_learn(made: Predictions) -> None:
    labels, scores, answers = leaves_of(made)
    classes = np.arange(made.tree.num_leaves)
    pairs = {
        "accuracy": (flat.accuracy(labels, answers), oracle.accuracy_score(labels, answers)),
        "loss": (flat.log_loss(labels, scores), oracle.log_loss(labels, scores, labels=classes)),
        "top 2": (
            flat.top_k_accuracy(labels, scores, k=2),
            oracle.top_k_accuracy_score(labels, scores, k=2, labels=classes),
        ),
        "confusion": (
            flat.confusion_matrix(labels, answers, num_classes=len(classes)),
            oracle.confusion_matrix(labels, answers, labels=classes),
        ),
    }
    for name, (ours, theirs) in pairs.items():
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, err_msg=name)


@given(predictions(ties=True), st.integers(1, 20))
def test_calibration_error_is_the_mean_gap_of_the_bins(made: Predictions, num_bins: int) -> None:
    labels, scores, answers = leaves_of(made)
    confidence = scores.max(axis=1)
    error = 0.0
    for low in range(num_bins):
        inside = (confidence * num_bins > low) & (confidence * num_bins <= low + 1)
        if inside.any():
            error += inside.mean() * abs((labels == answers)[inside].mean() - confidence[inside].mean())
    measured = flat.expected_calibration_error(labels, scores, num_bins=num_bins)
    assert measured == pytest.approx(error, abs=TOLERANCE)


@given(predictions(ties=True))
def test_top_k_grows_to_one(made: Predictions) -> None:
    labels, scores, answers = leaves_of(made)
    shares = [flat.top_k_accuracy(labels, scores, k=k + 1) for k in range(made.tree.num_leaves)]
    assert shares == sorted(shares)
    assert shares[0] == flat.accuracy(labels, answers)
    assert shares[-1] == 1


@given(predictions(ties=True))
def test_severities_count_every_image_once(made: Predictions) -> None:
    labels, _, answers = leaves_of(made)
    num_levels = len(made.tree.levels)
    counts = hierarchical.severity_counts(made.tree.heights, labels, answers, num_levels=num_levels)
    assert len(counts) == num_levels + 1
    assert counts.sum() == len(labels)
    assert counts[0] == (labels == answers).sum()


@given(predictions(ties=True))
def test_hd_at_1_is_mistake_severity_times_the_error(made: Predictions) -> None:
    labels, scores, answers = leaves_of(made)
    heights = made.tree.heights
    counts = hierarchical.severity_counts(heights, labels, answers, num_levels=len(made.tree.levels))
    mean_over_mistakes = hierarchical.mistake_severity(counts) or 0.0
    error = 1 - flat.accuracy(labels, answers)
    assert hierarchical.hd_at_k(heights, labels, scores, k=1) == pytest.approx(mean_over_mistakes * error)


@given(predictions(ties=True))
def test_hd_at_all_leaves_is_independent_of_the_ranking(made: Predictions) -> None:
    labels, scores, _ = leaves_of(made)
    heights = made.tree.heights
    distance = hierarchical.hd_at_k(heights, labels, scores, k=len(heights))
    assert distance == pytest.approx(heights[labels].mean())


@given(predictions(ties=True))
def test_full_path_accuracy_is_at_most_the_accuracy_of_any_level(made: Predictions) -> None:
    answers = np.stack([level.argmax(axis=1) for level in made.probabilities], axis=1)
    whole = hierarchical.full_path_accuracy(made.labels, answers)
    assert whole <= min(flat.accuracy(*columns) for columns in zip(made.labels.T, answers.T, strict=True))
    assert hierarchical.tree_inconsistency(made.tree.ancestors, made.labels) == 0


@given(predictions(ties=True))
def test_path_overlap_agrees_with_sets(made: Predictions) -> None:
    answers = np.stack([level.argmax(axis=1) for level in made.probabilities], axis=1)
    shared = answered = 0
    for label, answer in zip(made.labels, answers, strict=True):
        claimed = set[tuple[int, int]]()
        for level, node in enumerate(answer.tolist()):
            leaf = made.tree.ancestors[level].tolist().index(node)
            claimed |= {(above, made.tree.ancestors[above, leaf]) for above in range(level, len(label))}
        shared += len(claimed & set(enumerate(label)))
        answered += len(claimed)
    overlap = hierarchical.path_overlap(made.tree.parents, made.labels, answers)
    assert overlap["precision"] == pytest.approx(shared / answered)
    assert overlap["recall"] == pytest.approx(shared / made.labels.size)


@given(predictions(ties=True))
def test_path_overlap_of_paths_is_one_minus_mean_severity_over_levels(made: Predictions) -> None:
    labels, scores, leaves = leaves_of(made)
    overlap = hierarchical.path_overlap(made.tree.parents, made.labels, made.tree.label_paths(leaves))
    depth = len(made.tree.levels)
    missing = hierarchical.hd_at_k(made.tree.heights, labels, scores, k=1) / depth
    assert list(overlap.values()) == pytest.approx([1 - missing] * 3)


@given(predictions(ties=True))
def test_the_summary_is_json_and_consistent(made: Predictions) -> None:
    answers = np.stack([level.argmax(axis=1) for level in made.probabilities], axis=1)
    summary = summarise(made.tree, labels=made.labels, answers=answers, probabilities=made.probabilities)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert sum(summary["severity_counts"]) == summary["images"] == len(made.labels)
    assert len(summary["severity_counts"]) == len(summary["severity_chance"]) + 1 == len(made.tree.levels) + 1
    for level, size in zip(made.tree.levels, made.tree.sizes, strict=True):
        confusion = np.array(summary["confusion"][level])
        assert confusion.shape == (size, size)
        assert summary["accuracy"][level] == pytest.approx(np.trace(confusion) / len(made.labels))
