"""Temperatures: known ones are recovered, and only validation images are fitted on."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from treehead.config import RunConfig, changed
from treehead.data.dataset import Images, Splits
from treehead.engines.weights import initial_weights
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import (
    Calibration,
    calibration_figures,
    fit_calibration,
    read_calibration,
    write_calibration,
)
from treehead.inference.classifier import classifier_of
from treehead.inference.model import Model, build_engine
from treehead.metrics.calibration import HIGHEST, LOWEST, fit_temperature
from treehead.metrics.flat import log_loss, softmax
from treehead.run.evaluation import evaluate_model
from treehead.runfiles import RunFolder
from treehead.spec import build_spec
from treehead.types import Array, UserError


def sampled(num_images: int, *, sharpened: float, seed: int = 0) -> tuple[Array, Array]:
    """Logits `sharpened` times as large as those whose softmax the labels are drawn from."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((num_images, 5))
    labels = (softmax(logits).cumsum(axis=1) < rng.random((num_images, 1))).sum(axis=1)
    return (sharpened * logits).astype(np.float32), labels


@pytest.mark.parametrize("sharpened", [0.5, 1.0, 3.0])
def test_the_temperature_recovers_the_scale_of_the_logits(sharpened: float) -> None:
    logits, labels = sampled(20_000, sharpened=sharpened)
    assert fit_temperature(logits, labels) == pytest.approx(sharpened, rel=0.03)


def test_no_other_temperature_has_a_lower_loss() -> None:
    logits, labels = sampled(300, sharpened=1.7)
    best = fit_temperature(logits, labels)
    least = log_loss(labels, softmax(logits, best))
    for other in best * np.array([0.5, 0.9, 0.99, 1.01, 1.1, 2.0]):
        assert log_loss(labels, softmax(logits, float(other))) > least


def test_four_images_by_hand() -> None:
    """Three of four are right with logits 3 and 0; softmax(log 3, 0) is 3/4, so 3 / T must be log 3."""
    logits = np.array([[3.0, 0.0]] * 4)
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(3 / np.log(3), rel=1e-6)


def test_a_head_that_is_always_right_or_always_wrong_gets_a_bound() -> None:
    logits = np.eye(3)[[0, 1, 2]]
    assert fit_temperature(logits, np.array([0, 1, 2])) == pytest.approx(LOWEST)
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(HIGHEST)


class Fixed:
    """An engine with fixed logits for the validation images."""

    def __init__(self, logits: Array) -> None:
        self.logits = logits

    def predict(self, pixels: Array) -> list[Array]:
        assert len(pixels) == len(self.logits), "not the validation images"
        return [self.logits, self.logits]


def images(labels: Array) -> Images:
    return Images(np.zeros((len(labels), 1, 1, 1), np.uint8), np.stack([labels, labels], axis=1))


def test_temperatures_are_fitted_on_the_validation_images() -> None:
    logits, labels = sampled(2_000, sharpened=2.0)
    test, train = images(labels[:7]), images(labels[:9])
    found = fit_calibration(Fixed(logits), Splits("90:10", train, images(labels), test))  # pyright: ignore[reportArgumentType]
    assert found.temperatures == pytest.approx((2.0, 2.0), rel=0.1)
    assert (found.images, found.reason) == (2_000, None)


def test_test_images_are_never_fitted_on() -> None:
    logits, labels = sampled(50, sharpened=2.0)
    test = images(labels)
    found = fit_calibration(Fixed(logits), Splits("official", test, test, test))  # pyright: ignore[reportArgumentType]
    assert found == Calibration((1.0, 1.0), reason="no separate validation images")


def test_missing_labels_are_left_out() -> None:
    logits, labels = sampled(2_000, sharpened=2.0)
    unknown = images(np.where(np.arange(2_000) % 2, labels, -1))
    splits = Splits("90:10", unknown, unknown, images(labels))
    found = fit_calibration(Fixed(logits), splits)  # pyright: ignore[reportArgumentType]
    assert found.temperatures[0] == fit_temperature(logits[1::2], labels[1::2])


def test_calibration_is_stored_in_the_run_folder(tmp_path: Path) -> None:
    folder, levels = RunFolder(tmp_path), ("fine", "kind")
    assert read_calibration(folder, levels).temperatures == (1.0, 1.0)  # a run of an early version has no file
    written = Calibration((1.5, 0.75), images=300)
    write_calibration(folder, written, levels)
    assert read_calibration(folder, levels) == written
    for text in ("[]", '{"temperature": {"fine": 1}, "images": 1, "reason": null}', '{"temperature": {"fine": 0'):
        folder.calibration.write_text(text)
        with pytest.raises(UserError, match=r"calibration.json is damaged"):
            read_calibration(folder, levels)
    folder.calibration.write_text('{"temperature": {"fine": 0, "kind": 1}, "images": 1, "reason": null}')
    with pytest.raises(UserError, match="temperatures must be positive"):
        read_calibration(folder, levels)


def test_evaluation_and_inference_use_the_fitted_temperatures(tmp_path: Path) -> None:
    """The temperatures fitted on validation images apply to the test metrics and to later predictions."""
    tree = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
    config = changed(RunConfig(), {"network.stages": [{"width": 4, "residuals": 0}], "engine.precision": "float32"})
    spec = build_spec(config.network, input_shape=(3, 8, 8), levels=tree.levels, sizes=tree.sizes)
    half = np.full(3, 0.5, np.float32)
    model = Model(config, tree, spec, initial_weights(spec, seed=0), half, half, (1.0, 1.0))
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (90, 3, 8, 8), dtype=np.uint8), tree.label_paths(rng.integers(0, 3, 90))
    train, validation, test = (Images(pixels[part::3], labels[part::3]) for part in range(3))
    folder, engine = RunFolder(tmp_path), build_engine(model)
    evaluate_model(engine, model, Splits("34:33", train, validation, test), folder, decode_kind="path")
    logits = engine.predict(validation.pixels)
    fitted = tuple(fit_temperature(level, ids) for level, ids in zip(logits, validation.labels.T, strict=True))
    kept = read_calibration(folder, tree.levels)
    assert kept.temperatures == pytest.approx(fitted)
    assert kept.images == 30
    metrics = folder.read_json(folder.metrics)
    assert metrics["loss"] == metrics["calibration"]["after"]["loss"] != metrics["calibration"]["before"]["loss"]
    answered = classifier_of(dataclasses.replace(model, temperatures=fitted)).predict(test.pixels)
    stored = folder.read_arrays(folder.predictions)
    for level, ours in zip(tree.levels, answered.probabilities, strict=True):
        np.testing.assert_allclose(ours, stored[f"probabilities_{level}"], atol=1e-3)  # stored as 16-bit floats


def test_calibration_is_measured_before_and_after() -> None:
    logits, labels = sampled(5_000, sharpened=3.0)
    found = calibration_figures(Calibration((3.0,), images=9), ("fine",), logits=[logits], labels=labels[:, None])
    assert found["before"]["loss"]["fine"] == log_loss(labels, softmax(logits))
    assert found["after"]["loss"]["fine"] < found["before"]["loss"]["fine"]
    assert found["after"]["calibration_error"]["fine"] < 0.02 < found["before"]["calibration_error"]["fine"]
