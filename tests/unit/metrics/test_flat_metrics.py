"""Metrics of one level, by hand."""

import numpy as np
import pytest

from treehead.metrics.flat import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    ranked,
    softmax,
    top_k_accuracy,
)

LABELS = np.array([0, 2, 1, 2])
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.5, 0.3, 0.2], [0.125, 0.75, 0.125], [0.0, 0.0, 1.0]])
ANSWERS = np.array([0, 0, 1, 2])


def test_softmax_of_large_logits_is_finite() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]])), [[0.5, 0.5], [0.25, 0.75]])


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert accuracy(LABELS, ANSWERS) == 0.75


def test_top_k_accuracy() -> None:
    assert [top_k_accuracy(LABELS, PROBABILITIES, k=k) for k in (1, 2, 3)] == [0.75, 0.75, 1.0]


def test_equal_scores_rank_the_lower_id_first() -> None:
    np.testing.assert_array_equal(ranked(np.array([[0.2, 0.4, 0.4], [0.1, 0.1, 0.1]]), 2), [[1, 2], [0, 1]])
    many = np.tile([[0.5, 0.25]], 50)  # long enough for a sort that is not stable to show
    np.testing.assert_array_equal(ranked(many, 100), [[*range(0, 100, 2), *range(1, 100, 2)]])


def test_confusion_matrix_has_the_true_class_in_rows() -> None:
    np.testing.assert_array_equal(confusion_matrix(LABELS, ANSWERS, num_classes=3), [[1, 0, 0], [0, 1, 0], [1, 0, 1]])


def test_confusion_matrix_of_narrow_integers() -> None:
    counts = confusion_matrix(np.array([99], np.uint8), np.array([98], np.uint8), num_classes=100)
    assert counts[99, 98] == counts.sum() == 1


def test_log_loss_is_in_nats() -> None:
    expected = -(np.log(0.5) + np.log(0.2) + np.log(0.75) + np.log(1.0)) / 4
    assert log_loss(LABELS, PROBABILITIES) == pytest.approx(expected, rel=1e-15)


def test_log_loss_of_a_certain_mistake_is_clipped() -> None:
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(12 * np.log(10))


def test_calibration_error_of_two_bins() -> None:
    # (0, .5]: two images, confidence .5, one right: no gap. (.5, 1]: confidences .75 and 1, both right: gap .125.
    assert expected_calibration_error(LABELS, PROBABILITIES, num_bins=2) == pytest.approx(0.5 * 0 + 0.5 * 0.125)


def test_calibration_bins_are_closed_to_the_right() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [0.6, 0.4, 0.0]])  # .5 belongs to the lower of two bins
    labels = np.array([0, 1])
    assert expected_calibration_error(labels, probabilities, num_bins=2) == pytest.approx(0.5 * 0.5 + 0.5 * 0.6)


def test_calibration_error_of_certain_right_answers_is_zero() -> None:
    assert expected_calibration_error(np.array([1]), np.array([[0.0, 1.0]])) == 0
