"""Selective prediction: four images, counted by hand."""

import numpy as np
import pytest

from treehead.metrics.selective import THRESHOLDS, deepest_confident, risk_coverage, selective_figures

CONFIDENCES = np.array([[0.9, 0.95], [0.6, 0.8], [0.3, 0.4], [0.2, 0.96]])
LABELS = np.array([[0, 0], [1, 0], [2, 1], [3, 1]])
ANSWERS = np.array([[0, 0], [0, 0], [2, 1], [0, 0]])  # right at: both, kind, both, none


@pytest.mark.parametrize(
    ("threshold", "levels"), [(0.0, [0, 0, 0, 0]), (0.5, [0, 0, 2, 1]), (0.8, [0, 1, 2, 1]), (1.0, [2, 2, 2, 2])]
)
def test_the_deepest_level_that_reaches_the_threshold(threshold: float, levels: list[int]) -> None:
    np.testing.assert_array_equal(deepest_confident(CONFIDENCES, threshold=threshold), levels)


def test_a_higher_level_may_be_less_confident() -> None:
    np.testing.assert_array_equal(deepest_confident(np.array([[0.9, 0.1]]), threshold=0.5), [0])


def test_risk_at_every_coverage_by_hand() -> None:
    right = np.array([True, False, True, False])
    np.testing.assert_allclose(risk_coverage(right, CONFIDENCES[:, 0]), [0, 1 / 2, 1 / 3, 1 / 2])


def test_equal_confidences_share_their_error_rate() -> None:
    right, level = np.array([True, False, True, False]), np.array([0.5, 0.5, 0.5, 0.1])
    np.testing.assert_allclose(risk_coverage(right, level), [1 / 3, 1 / 3, 1 / 3, 1 / 2])
    np.testing.assert_allclose(risk_coverage(right[[2, 1, 0, 3]], level), risk_coverage(right, level))


def test_the_figures_of_four_images() -> None:
    figures = selective_figures(("fine", "kind"), labels=LABELS, answers=ANSWERS, confidences=CONFIDENCES)
    curve, back_off = figures["risk_coverage"], figures["back_off"]
    assert curve["coverage"][-1] == 1
    assert curve["risk"]["fine"][-1] == 0.5  # the error of the level
    assert curve["risk"]["kind"][-1] == 0.25
    assert curve["aurc"]["fine"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert curve["risk"]["kind"][0] == 1  # the most confident kind, of the last image, is wrong
    at = THRESHOLDS.index(0.8)
    assert (back_off["answered"]["fine"][at], back_off["answered"]["kind"][at]) == (0.25, 0.5)
    assert back_off["coverage"][at] == 0.75
    assert back_off["risk"][at] == pytest.approx(1 / 3)
    assert (back_off["coverage"][0], back_off["risk"][0]) == (1, 0.5)
    assert back_off["coverage"][-1] == 0
    assert back_off["risk"][-1] is None


def test_unknown_labels_are_left_out() -> None:
    labels, answers = np.array([[0, 0], [1, 0], [2, 1]]), np.array([[0, 0], [2, 1], [2, 1]])
    confidences = np.array([[0.9, 0.95], [0.4, 0.6], [0.7, 0.8]])
    whole = selective_figures(("fine", "kind"), labels=labels, answers=answers, confidences=confidences)
    partly = selective_figures(
        ("fine", "kind"),
        labels=np.concatenate([labels, [[-1, 1]]]),
        answers=np.concatenate([answers, [[0, 0]]]),
        confidences=np.concatenate([confidences, [[0.99, 0.99]]]),
    )
    assert partly["back_off"] == whole["back_off"]
    assert partly["risk_coverage"]["aurc"]["fine"] == whole["risk_coverage"]["aurc"]["fine"]
    assert partly["risk_coverage"]["aurc"]["kind"] > whole["risk_coverage"]["aurc"]["kind"]
