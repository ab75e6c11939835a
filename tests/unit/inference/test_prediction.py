"""The methods of Prediction, on two images and a small tree."""

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import Classifier
from treehead.inference.prediction import Answer, Prediction
from treehead.posterior.held_out import Calibration, uncalibrated
from treehead.types import Array, UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
FINE = np.array([[0.25, 0.35, 0.40], [0.9, 0.06, 0.04]])
KIND = np.array([[0.60, 0.40], [0.96, 0.04]])
"""The sums of FINE."""


def constant(pixels: Array) -> list[Array]:
    """A network whose leaf head gives every image the probabilities of the first image above."""
    return [np.log(FINE[:1]).repeat(len(pixels), axis=0), np.array([[0.0, 2.0]]).repeat(len(pixels), axis=0)]


CALIBRATION = Calibration((1.0, 0.0), 600, "600 images", "crm", tuple([None] * 99 + [0.5] * 401), (0.45,) * 500)
CLASSIFIER = Classifier(PETS, (3, 4, 4), "crm", CALIBRATION, constant)
PREDICTION = Prediction(PETS, (FINE, KIND), np.array([[1, 0], [0, 0]]), FINE + KIND[:, [0, 0, 1]], "crm", CALIBRATION)


def test_confidence_is_the_probability_of_the_answer() -> None:
    np.testing.assert_array_equal(PREDICTION.confidences, [[0.35, 0.60], [0.9, 0.96]])
    assert PREDICTION.names() == [("dog", "mammal"), ("cat", "mammal")]
    assert PREDICTION.as_dicts()[1]["kind"] == {"answer": "mammal", "probability": 0.96}


def test_a_part_of_the_images_has_their_answers() -> None:
    second = PREDICTION[1:]
    assert len(second) == 1
    assert second.names() == PREDICTION.names()[1:]
    assert list(second.top_paths(2)) == list(PREDICTION.top_paths(2))[1:]
    assert second.backed_off(0.5) == PREDICTION.backed_off(0.5)[1:]


def test_backing_off_gives_the_deepest_confident_answer() -> None:
    assert PREDICTION.backed_off(0.42) == [Answer("kind", "mammal", 0.6), Answer("fine", "cat", 0.9)]
    assert PREDICTION.backed_off(0.7)[0] is None
    np.testing.assert_array_equal(PREDICTION.confident_levels(0.7), [2, 0])
    with pytest.raises(UserError, match="the threshold must be between 0 and 1, not 80"):
        PREDICTION.backed_off(80)


def test_a_bound_on_errors_is_the_threshold_of_the_calibration() -> None:
    assert PREDICTION.within_error(0.1) == PREDICTION.backed_off(0.5)
    with pytest.raises(UserError, match="--max-error: 600 held-out images are too few"):
        PREDICTION.within_error(0.05)


def test_prediction_sets_are_the_nodes_above_the_threshold() -> None:
    loose = Calibration((1.0, 0.0), 600, "600 images", "crm", (), (0.2,) * 500)
    both = Prediction(PETS, (FINE, KIND), PREDICTION.answers, PREDICTION.leaf_scores, "crm", loose)
    first, second = both.sets(0.9)
    assert {node.name for node in first} == {"mammal", "fish"}
    assert second == [Answer("fine", "cat", 0.9)]


def test_paths_are_ranked_by_the_decoder_and_have_the_leafs_probability() -> None:
    first, second = PREDICTION.top_paths(2)
    assert first == [(("dog", "mammal"), 0.35), (("cat", "mammal"), 0.25)]  # carp, the likeliest, is the worse mistake
    assert [path for path, _ in second] == [("cat", "mammal"), ("dog", "mammal")]
    assert [path[0][0] for path in PREDICTION.top_paths(1)] == PREDICTION.names()
    with pytest.raises(UserError, match="k must be between 1 and 3, not 4"):
        PREDICTION.top_paths(4)


def test_a_classifier_answers_from_the_posterior() -> None:
    prediction = CLASSIFIER.predict(np.zeros((2, 3, 4, 4), np.uint8))
    assert prediction.names() == [("dog", "mammal")] * 2
    np.testing.assert_allclose(prediction.probabilities[0], FINE[[0, 0]])
    np.testing.assert_allclose(prediction.probabilities[1], KIND[[0, 0]])  # not what its own head says
    assert prediction.sets(0.9) == prediction.sets(0.5)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("independent", ("carp", "fish")), ("top_down", ("carp", "fish")), ("path", ("carp", "fish"))],
)
def test_decoders_of_the_heads_read_the_heads(kind: str, answer: tuple[str, str]) -> None:
    classifier = Classifier(PETS, (3, 4, 4), kind, uncalibrated(2, "none"), constant)
    assert classifier.predict(np.zeros((1, 3, 4, 4), np.uint8)).names() == [answer]


def test_under_restricts_the_answers_to_a_subtree() -> None:
    pixels = np.zeros((2, 3, 4, 4), np.uint8)
    inside = CLASSIFIER.predict(pixels, under="fish")
    assert inside.names() == [("carp", "fish")] * 2
    np.testing.assert_array_equal(inside.confidences, np.ones((2, 2)))
    mammals = CLASSIFIER.predict(pixels, under="mammal")
    np.testing.assert_allclose(mammals.probabilities[0], [[25 / 60, 35 / 60, 0]] * 2)
    np.testing.assert_allclose(mammals.probabilities[1], [[1, 0]] * 2)


def test_a_guarantee_does_not_hold_below_a_node() -> None:
    inside = CLASSIFIER.predict(np.zeros((1, 3, 4, 4), np.uint8), under="mammal")
    with pytest.raises(UserError, match="this model has none: the answers are restricted to mammal"):
        inside.within_error(0.2)
    with pytest.raises(UserError, match="this model has none"):
        inside.sets(0.9)


def test_a_guarantee_does_not_hold_for_another_decoder() -> None:
    other = Classifier(PETS, (3, 4, 4), "independent", CALIBRATION, constant).predict(np.zeros((1, 3, 4, 4), np.uint8))
    with pytest.raises(UserError, match="chosen for decode = crm, but the answers are of decode = independent"):
        other.within_error(0.2)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((1, 3, 4, 4), np.float32), r"expected \(N, 3, 4, 4\) uint8, got \(1, 3, 4, 4\) float32"),
        (np.zeros((4, 4), np.uint8), r"got \(4, 4\) uint8"),
        (np.zeros((0, 3, 4, 4), np.uint8), "no images given"),
        ([], "no images given"),
    ],
)
def test_pixels_of_another_shape_or_dtype_are_refused(pixels: Array, message: str) -> None:
    with pytest.raises(UserError, match=message):
        CLASSIFIER.predict(pixels)
