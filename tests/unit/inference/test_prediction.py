"""The methods of Prediction, on two images and a small tree."""

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import Classifier
from treehead.inference.prediction import Answer, Prediction
from treehead.types import Array, UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
FINE = np.array([[0.25, 0.35, 0.40], [0.9, 0.06, 0.04]])
KIND = np.array([[0.55, 0.45], [0.8, 0.2]])


def constant(pixels: Array) -> list[Array]:
    """A network that gives every image the probabilities of the first image above."""
    return [np.repeat(FINE[:1], len(pixels), axis=0), np.repeat(KIND[:1], len(pixels), axis=0)]


CLASSIFIER = Classifier(PETS, (3, 4, 4), "path", constant)
PREDICTION = Prediction(PETS, (FINE, KIND), np.array([[2, 1], [0, 0]]))


def test_confidence_is_the_probability_of_the_answer() -> None:
    np.testing.assert_array_equal(PREDICTION.confidences, [[0.40, 0.45], [0.9, 0.8]])
    assert PREDICTION.names() == [("carp", "fish"), ("cat", "mammal")]
    assert PREDICTION.as_dicts()[1]["kind"] == {"answer": "mammal", "probability": 0.8}


def test_backing_off_gives_the_deepest_confident_answer() -> None:
    assert PREDICTION.backed_off(0.42) == [Answer("kind", "fish", 0.45), Answer("fine", "cat", 0.9)]
    assert PREDICTION.backed_off(0.5)[0] is None
    np.testing.assert_array_equal(PREDICTION.confident_levels(0.5), [2, 0])
    with pytest.raises(UserError, match="the threshold must be between 0 and 1, not 80"):
        PREDICTION.backed_off(80)


def test_paths_are_ranked_by_their_product() -> None:
    first, second = PREDICTION.top_paths(2)
    products = np.array([0.25 * 0.55, 0.35 * 0.55, 0.40 * 0.45])
    assert [path for path, _ in first] == [("dog", "mammal"), ("carp", "fish")]
    np.testing.assert_allclose([share for _, share in first], np.sort(products)[:0:-1] / products.sum())
    assert [path for path, _ in second] == [("cat", "mammal"), ("dog", "mammal")]
    with pytest.raises(UserError, match="k must be between 1 and 3, not 4"):
        PREDICTION.top_paths(4)


def test_under_restricts_the_answers_to_a_subtree() -> None:
    pixels = np.zeros((2, 3, 4, 4), np.uint8)
    assert CLASSIFIER.predict(pixels).names() == [("dog", "mammal")] * 2
    inside = CLASSIFIER.predict(pixels, under="fish")
    assert inside.names() == [("carp", "fish")] * 2
    np.testing.assert_array_equal(inside.confidences, np.ones((2, 2)))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((1, 3, 4, 4), np.float32), r"expected \(N, 3, 4, 4\) uint8, got \(1, 3, 4, 4\) float32"),
        (np.zeros((3, 4, 4), np.uint8), r"got \(3, 4, 4\) uint8"),
        (np.zeros((0, 3, 4, 4), np.uint8), "no images given"),
        ([], "no images given"),
    ],
)
def test_pixels_of_another_shape_or_dtype_are_refused(pixels: Array, message: str) -> None:
    with pytest.raises(UserError, match=message):
        CLASSIFIER.predict(pixels)
