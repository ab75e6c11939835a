"""Where a run's calibration comes from, and what it changes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from treehead.config import RunConfig, changed
from treehead.data.dataset import Images, Splits
from treehead.engines.weights import initial_weights
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import NO_IMAGES, read_calibration
from treehead.inference.classifier import classifier_of
from treehead.inference.model import Model, build_engine
from treehead.metrics.flat import log_loss, softmax
from treehead.posterior.held_out import Calibration, uncalibrated
from treehead.posterior.pooling import fit_weights
from treehead.run.calibration import borrowed, calibrate, calibration_figures
from treehead.run.evaluation import evaluate_model
from treehead.run.predictions import Predictions, read_predictions, rounded, write_predictions
from treehead.runfiles import RunFolder, write_arrays
from treehead.spec import build_spec
from treehead.types import Array, RunError, UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
UNCALIBRATED = uncalibrated(2, NO_IMAGES)


def model_of(calibration: Calibration = UNCALIBRATED) -> Model:
    config = changed(RunConfig(), {"network.stages": [{"width": 4, "residuals": 0}], "engine.precision": "float32"})
    spec = build_spec(config.network, input_shape=(3, 8, 8), levels=PETS.levels, sizes=PETS.sizes)
    half = np.full(3, 0.5, np.float32)
    return Model(config, PETS, spec, initial_weights(spec, seed=0), half, half, calibration)


def parts() -> list[Images]:
    """Three sets of 30 images."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (90, 3, 8, 8), dtype=np.uint8), PETS.label_paths(rng.integers(0, 3, 90))
    return [Images(pixels[part::3], labels[part::3]) for part in range(3)]


def test_the_weights_are_fitted_on_held_out_images() -> None:
    train, held_out, test = parts()
    engine = build_engine(model_of())
    expected = fit_weights(rounded(engine.predict(held_out.pixels)), held_out.labels, PETS)
    validated = calibrate(engine, model_of(), Splits("90:10", train, held_out, test))
    assert (validated.weights, validated.images) == (expected, 30)
    assert validated.source == "30 images held out of the training (data.split 90:10)"
    kept = calibrate(engine, model_of(), Splits("official", train, test, test, held_out))
    assert kept.weights == expected


def test_test_images_are_never_fitted_on() -> None:
    train, _, test = parts()
    splits = Splits("official", train, test, test)
    assert calibrate(build_engine(model_of()), model_of(), splits) == UNCALIBRATED
    taken = Calibration((1.2, 0.1), 500, "run other: 500 images", "crm", (0.5,) * 500, (0.5,) * 500)
    assert calibrate(build_engine(model_of()), model_of(taken), splits) == taken  # kept by later evaluations


def test_evaluation_and_inference_give_the_same_answers(tmp_path: Path) -> None:
    train, held_out, test = parts()
    model, folder = model_of(), RunFolder(tmp_path)
    evaluate_model(build_engine(model), model, Splits("34:33", train, held_out, test), folder)
    metrics = folder.read_json(folder.metrics)
    assert metrics["loss"] == metrics["calibration"]["after"]["loss"] != metrics["calibration"]["before"]["loss"]
    assert metrics["tree_inconsistency"] == 0
    calibration = read_calibration(folder, PETS)
    prediction = classifier_of(dataclasses.replace(model, calibration=calibration)).predict(test.pixels)
    stored = read_predictions(folder, PETS)
    for ours, theirs in zip(prediction.probabilities, calibration.posterior(stored.logits, PETS), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_array_equal(prediction.answers, stored.answers)
    bound = next(row for row in metrics["guarantees"]["risk_control"] if row["max_error"] == 0.2)
    wrong = [
        answer is not None and answer.name != PETS.names[PETS.levels.index(answer.level)][label[answer.level == "kind"]]
        for answer, label in zip(prediction.within_error(0.2), test.labels.tolist(), strict=True)
    ]
    assert bound["error"] == np.mean(wrong)


def test_another_runs_calibration_says_where_it_is_from() -> None:
    theirs = Calibration((1.2, 0.1), 500, "500 images held out of the training", "crm", (), ())
    short = changed(RunConfig(), {"train.epochs": 10, "data.split": "90:10", "engine.kind": "scratch", "name": "a"})
    taken = borrowed(theirs, donor="short", theirs=short, ours=RunConfig())
    assert (taken.weights, taken.donor, theirs.donor) == (theirs.weights, "short", None)
    assert taken.source == (
        "run short: 500 images held out of the training; data.split = 90:10 instead of official; "
        "train.epochs = 10 instead of 50"
    )
    with pytest.raises(UserError, match="a has its calibration from the run short; name that one"):
        borrowed(taken, donor="a", theirs=short, ours=short)
    with pytest.raises(UserError, match=r"a has no calibration to give: no images .*; train it with data.split=90:10"):
        borrowed(UNCALIBRATED, donor="a", theirs=short, ours=short)


def test_calibration_is_measured_before_and_after() -> None:
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((5_000, 3))
    labels = (softmax(logits).cumsum(axis=1) < rng.random((5_000, 1))).sum(axis=1)
    flat = LabelTree("flat", ("fine",), (("a", "b", "c"),), ())
    right = Calibration((1 / 3,), 9, "nine images")
    figures = calibration_figures(
        right, flat, logits=[3 * logits], nodes=right.posterior([3 * logits], flat), labels=labels[:, None]
    )
    assert figures["before"]["loss"]["fine"] == log_loss(labels, softmax(3 * logits))
    assert figures["after"]["loss"]["fine"] < figures["before"]["loss"]["fine"]
    assert figures["after"]["calibration_error"]["fine"] < 0.02 < figures["before"]["calibration_error"]["fine"]


def predictions_of(logits: list[Array]) -> Predictions:
    labels = PETS.label_paths(np.arange(len(logits[0])) % 3)
    return Predictions(labels, labels[::-1], logits)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e5])
def test_stored_logits_are_those_of_the_metrics(tmp_path: Path, scale: float) -> None:
    rng = np.random.default_rng(0)
    raw = [(scale * rng.standard_normal((40, size))).astype(np.float32) for size in PETS.sizes]
    kept = rounded(raw)
    for before, after in zip(raw, kept, strict=True):
        centred = before - before.max(axis=1, keepdims=True)
        np.testing.assert_allclose(after, centred, atol=max(2.0**-20, float(np.ptp(before)) / 2**15))
    write_predictions(RunFolder(tmp_path), PETS, predictions_of(kept))
    stored = read_predictions(RunFolder(tmp_path), PETS)
    for ours, theirs in zip(kept, stored.logits, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(stored.labels, stored.answers[::-1])


def test_predictions_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    folder, fine, kind = RunFolder(tmp_path), np.array([[0.2, 0.7, 0.1]]), np.array([[1.0, 0.0]])
    names = {"probabilities_fine": fine.astype(np.float16), "probabilities_kind": kind.astype(np.float16)}
    write_arrays(folder.predictions, {"labels": np.array([[0, 0]]), "answers": np.array([[1, 0]]), **names})
    stored = read_predictions(folder, PETS)
    np.testing.assert_allclose(softmax(stored.logits[0]), fine, atol=1e-3)
    np.testing.assert_allclose(softmax(stored.logits[1]), kind, atol=1e-3)


def test_predictions_that_do_not_fit_the_tree_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_predictions(folder, PETS, predictions_of([np.zeros((2, 4), np.float32), np.zeros((2, 2), np.float32)]))
    with pytest.raises(UserError, match="its arrays do not fit the tree pets"):
        read_predictions(folder, PETS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_no_numbers_are_an_error(value: float) -> None:
    with pytest.raises(RunError, match="the network's outputs are not finite"):
        rounded([np.array([[0.0, value, 1.0]])])
