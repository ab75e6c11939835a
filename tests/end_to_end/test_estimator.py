"""TreeHeadClassifier: the checks of scikit-learn, then images, trees, run folders and errors."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import treehead
from treehead import TreeHeadClassifier
from treehead.config import RunConfig, changed
from treehead.data.load import load as load_data
from treehead.hierarchy.tree import LabelTree
from treehead.report.run.write import write_report
from treehead.run.runner import evaluate
from treehead.types import Array, UserError

TINY: dict[str, object] = {
    "train.epochs": 8,
    "train.batch_size": 32,
    "augment.crop_px": 0,
    "augment.flip": False,
    "network.stages": [{"width": 16, "shrink": "none", "residuals": 0}],
    "optimizer.learning_rate": 3e-2,
    "engine.threads": 1,
    "engine.device": "cpu",
    "engine.precision": "float32",
}
KINDS = {"red": "warm", "orange": "warm", "blue": "cold"}
COLOURS = {"red": (220, 30, 30), "orange": (220, 160, 30), "blue": (30, 30, 220)}

EXPECTED_TO_FAIL: dict[str, str] = {}
"""No check is expected to fail: a row of numbers is a small image, and any numbers are scaled to bytes.

The checks of sample weights, class weights and partial_fit do not apply to this estimator.
"""
SKIPPED = {
    "check_array_api_input": "needs SCIPY_ARRAY_API to be set",
    "check_classifier_data_not_an_array": "its last part needs pandas",
}
"""Checks that scikit-learn may skip, and why; no other check may be skipped."""


@parametrize_with_checks(
    [TreeHeadClassifier(image_shape="row", config=TINY)], expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL
)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    try:
        check(estimator)
    except SkipTest as skipped:
        if check.func.__name__ not in SKIPPED:
            pytest.fail(f"{check.func.__name__} was skipped but is not in SKIPPED: {skipped}")
        pytest.skip(SKIPPED[check.func.__name__])


def coloured(number: int = 20, *, seed: int = 0) -> tuple[Array, Array]:
    """`number` noisy 6 x 5 images of each colour, (N, H, W, C) bytes, and their names."""
    rng = np.random.default_rng(seed)
    names = np.repeat(list(COLOURS), number)
    colours = np.array([COLOURS[name] for name in names])[:, None, None]
    return np.clip(colours + rng.normal(0, 25, (len(names), 6, 5, 3)), 0, 255).astype(np.uint8), names


def classifier(**choices: Any) -> TreeHeadClassifier:
    return TreeHeadClassifier(**{"config": TINY, "tree": KINDS, **choices})


@pytest.fixture(scope="module")
def fitted() -> TreeHeadClassifier:
    return classifier().fit(*coloured())


def test_every_level_is_learnt(fitted: TreeHeadClassifier) -> None:
    images, names = coloured(seed=1)
    assert fitted.score(images, names) == 1
    assert fitted.classes_.tolist() == ["blue", "orange", "red"]
    assert fitted.image_shape_ == (3, 6, 5)
    prediction = fitted.predict_tree(images)
    assert prediction.tree.levels == ("class", "group")
    assert prediction.names() == [(name, KINDS[name]) for name in names]
    shares = fitted.predict_proba(images)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (fitted.classes_[shares.argmax(axis=1)] == names).all()


def test_every_layout_of_the_same_images_gives_the_same_probabilities(fitted: TreeHeadClassifier) -> None:
    images, names = coloured(seed=1)
    expected = fitted.predict_proba(images)
    first = images.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(fitted.predict_proba(first), expected)
    rows = classifier(image_shape=(6, 5, 3)).fit(coloured()[0].reshape(60, -1), names)
    np.testing.assert_array_equal(rows.predict_proba(images.reshape(60, -1)), expected)
    np.testing.assert_array_equal(rows.predict_proba(first), expected)


def test_grey_images_and_signals_are_accepted() -> None:
    images, names = coloured()
    grey = images[..., 0]
    assert classifier().fit(grey, names).image_shape_ == (1, 6, 5)
    assert classifier(image_shape=(6, 5)).fit(grey.reshape(60, 30), names).image_shape_ == (1, 6, 5)
    assert classifier(image_shape="row").fit(grey.reshape(60, 30), names).image_shape_ == (1, 1, 30)


def test_other_numbers_than_bytes_are_scaled() -> None:
    images, names = coloured()
    low, high = int(images.min()), int(images.max())
    stretched = np.rint((images - float(low)) * (255 / (high - low))).astype(np.uint8)
    scaled = classifier().fit(images / 100 - 1, names)
    assert scaled.pixel_range_ == pytest.approx((low / 100 - 1, high / 100 - 1))
    expected = classifier().fit(stretched, names).predict_proba(stretched)
    np.testing.assert_array_equal(scaled.predict_proba(images / 100 - 1), expected)
    beyond = np.where(images == high, 1e6, images / 100 - 1)
    np.testing.assert_array_equal(scaled.predict_proba(beyond), expected)


def test_leaves_of_the_tree_without_images_are_dropped() -> None:
    images, names = coloured()
    paths = [("3", "cold", "all"), ("7", "warm", "all"), ("8", "warm", "all"), ("9", "grey", "all")]
    tree = LabelTree.from_paths("paints", ("paint", "feel", "thing"), paths)
    labels = np.array([{"red": 7, "orange": 8, "blue": 3}[name] for name in names])
    fitted = classifier(tree=tree).fit(images, labels)
    assert fitted.tree_ == LabelTree.from_paths("paints", ("paint", "feel", "thing"), paths[:3])
    assert fitted.predict(images).tolist() == labels.tolist()
    deep = {3: ("cold", "all"), 7: ("warm", "all"), 8: ("warm", "all"), 9: ("grey", "all")}
    assert classifier(tree=deep).fit(images, labels).tree_.levels == ("class", "group", "group2")
    assert classifier(tree=None).fit(images, labels).tree_.levels == ("class",)


def test_a_fitted_estimator_can_be_pickled_and_a_clone_is_not_fitted(fitted: TreeHeadClassifier) -> None:
    images, _ = coloured(seed=1)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(images), fitted.predict_proba(images))
    assert not hasattr(clone(fitted), "model_")


def test_results_depend_on_the_seed_alone(fitted: TreeHeadClassifier) -> None:
    images, names = coloured()
    expected = fitted.predict_proba(images)
    whole = changed(RunConfig(), TINY)
    np.testing.assert_array_equal(classifier(config=whole).fit(images, names).predict_proba(images), expected)
    other = classifier(random_state=5).fit(images, names)
    assert other.model_.config.seed != whole.seed
    assert np.abs(other.predict_proba(images) - expected).max() > 1e-4


def test_a_run_folder_has_metrics_of_held_out_images(tmp_path: Path) -> None:
    images, names = coloured()
    config = {**TINY, "data.split": "75:25", "name": "paints"}
    kept = [classifier(config=config, folder=tmp_path).fit(images, names) for _ in range(2)]
    assert [estimator.run_ and estimator.run_.root.name for estimator in kept] == ["paints", "paints-2"]
    run = kept[0].run_
    assert run is not None
    assert (run.metrics["images"], run.metrics["split"], run.metrics["tree"]) == (15, "75:25 of all", "labels")
    assert write_report(run.root).exists()
    loaded = treehead.load(run.root).predict(images.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(loaded.probabilities[0], kept[0].predict_proba(images))
    with pytest.raises(UserError, match="arrays of the Python program"):
        evaluate(run.root, load=lambda data: load_data(data, environment={}, log=print, on_progress=lambda *_: None))


def test_no_files_are_left_without_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fitted = classifier(config={**TINY, "train.epochs": 2}, verbose=True).fit(*coloured())
    assert fitted.run_ is None
    assert list(tmp_path.iterdir()) == []
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert "group" in lines[0]


IMAGES, NAMES = coloured(2)


@pytest.mark.parametrize(
    ("choices", "X", "y", "message"),
    [
        ({}, IMAGES.reshape(6, -1), NAMES, r"X has rows of 90 numbers; set image_shape"),
        ({"image_shape": (6, 6)}, IMAGES.reshape(6, -1), NAMES, r"image_shape = \(6, 6\) does not fit X"),
        ({"image_shape": "rows"}, IMAGES.reshape(6, -1), NAMES, "image_shape = 'rows' does not fit X"),
        ({}, IMAGES[..., :2], NAMES, r"images of shape \(6, 5, 2\) have neither 1 nor 3 channels"),
        ({}, np.full((6, 4, 4), 0.5), NAMES, "all numbers of X are 0.5"),
        ({}, IMAGES, ["red"] * 6, "y has one class only, red"),
        (
            {"tree": {"red": "warm", "blue": "cold"}},
            IMAGES,
            NAMES,
            "'orange' is a label in y but not a leaf of the tree",
        ),
        ({"tree": {**KINDS, "red": ("warm", "all")}}, IMAGES, NAMES, "has 2 names, but tree .* has 3 levels"),
        ({"folder": "runs"}, IMAGES, NAMES, "a run folder needs held-out images for its metrics"),
        ({"config": {"train.epoch": 3}}, IMAGES, NAMES, "did you mean train.epochs"),
        ({"config": {}}, IMAGES, NAMES, "network.stages halve the image 3 times"),
    ],
)
def test_mistakes_are_one_sentence(choices: dict[str, Any], X: Array, y: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        classifier(**choices).fit(X, y)
    assert "\n" not in str(caught.value)


def test_images_unlike_those_of_fit_are_refused(fitted: TreeHeadClassifier) -> None:
    images, _ = coloured()
    with pytest.raises(UserError, match=r"X has images of shape \(3, 5, 6\), but fit was given shape \(3, 6, 5\)"):
        fitted.predict(images.transpose(0, 2, 1, 3))
    with pytest.raises(UserError, match="fit was given whole numbers from 0 to 255"):
        fitted.predict(images / 255)
    with pytest.raises(ValueError, match="X has 30 features, but TreeHeadClassifier is expecting 90"):
        fitted.predict(images[..., 0])


def test_missing_scikit_learn_is_named_with_its_pip_line() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
import treehead
from treehead import *
try:
    treehead.TreeHeadClassifier
except ValueError as error:
    print(error)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "TreeHeadClassifier needs scikit-learn: pip install 'treehead[sklearn]'\n"


def test_bytes_are_refused_by_an_estimator_of_fractions() -> None:
    """All of them would be white."""
    X, y = coloured(8)
    estimator = classifier().fit(X / 255, y)
    with pytest.raises(UserError, match=r"fit was given numbers from .* to .*; most of X is far outside"):
        estimator.predict(X)
