"""A calibration: fitted, written, read, and refused where it does not belong."""

import json
from typing import Any

import numpy as np
import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.posterior.conformal import back_off_threshold
from treehead.posterior.held_out import Calibration, fit, from_json, to_json, uncalibrated
from treehead.types import UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp", "eel"]})
OTHER = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["dog", "cat"], "fish": ["carp", "eel"]})


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    rng = np.random.default_rng(0)
    labels = PETS.label_paths(rng.integers(4, size=600))
    heads = [
        2 * np.eye(size)[ids] + rng.normal(size=(600, size)) for size, ids in zip(PETS.sizes, labels.T, strict=True)
    ]
    return fit(heads, labels, PETS, decoder="crm", source="600 made-up images")


def test_it_survives_json(fitted: Calibration) -> None:
    assert from_json(json.loads(json.dumps(to_json(fitted, PETS))), PETS) == fitted


def test_thresholds_fall_as_more_errors_are_allowed(fitted: Calibration) -> None:
    kept = [threshold for threshold in fitted.back_off if threshold is not None]
    assert fitted.back_off[0] is None  # 0.001 needs 999 images
    assert kept == sorted(kept, reverse=True)
    assert fitted.back_off_threshold(0.05, decoder="crm") == fitted.back_off[49]
    assert fitted.back_off_threshold(0.0509, decoder="crm") == fitted.back_off[49]
    assert fitted.back_off_threshold(0.9, decoder="crm") == fitted.back_off[-1]
    assert fitted.set_threshold(0.9) == fitted.sets[99]


def test_too_few_images_and_none_are_one_sentence(fitted: Calibration) -> None:
    with pytest.raises(UserError, match=r"--max-error: 600 held-out images are too few .* needs at least 999"):
        fitted.back_off_threshold(0.001, decoder="crm")
    with pytest.raises(UserError, match=r"--max-error: a guarantee can allow no less than 0\.1 %"):
        fitted.back_off_threshold(0.0001, decoder="crm")
    with pytest.raises(UserError, match="this model has none: all images are trained on"):
        uncalibrated(2, "all images are trained on").set_threshold(0.9)
    with pytest.raises(UserError, match="must be between 0 and 1"):
        fitted.back_off_threshold(1.0, decoder="crm")


def test_thresholds_hold_for_the_decoder_they_were_chosen_for(fitted: Calibration) -> None:
    with pytest.raises(UserError, match="chosen for decode = crm, but the answers are of decode = path"):
        fitted.back_off_threshold(0.1, decoder="path")


def test_without_held_out_images_the_leaf_head_is_left_as_it_is() -> None:
    leaves = np.array([[0.5, 0.2, 0.2, 0.1]])
    nodes = uncalibrated(2, "").posterior([np.log(leaves), np.array([[0.0, 9.0]])], PETS)
    np.testing.assert_allclose(nodes[0], leaves)
    np.testing.assert_allclose(nodes[1], [[0.7, 0.3]])


def test_an_earlier_format_gives_the_leaf_head_its_temperature() -> None:
    old = {"temperature": {"fine": 0.8, "kind": 0.7}, "images": 500, "reason": None}
    assert from_json(old, PETS).weights == (1.25, 0)
    none = {"temperature": {"fine": 1.0, "kind": 1.0}, "images": 0, "reason": "none"}
    assert from_json(none, PETS).weights == (1, 0)


def test_another_tree_is_refused(fitted: Calibration) -> None:
    with pytest.raises(UserError, match="another tree"):
        from_json(to_json(fitted, PETS), OTHER)


@pytest.mark.parametrize("weights", [[-1, 0], [float("nan"), 1], [float("inf"), 1], [0, 0], [1e9, 0]])
def test_weights_that_are_no_weights_are_refused(fitted: Calibration, weights: list[float]) -> None:
    with pytest.raises(ValueError, match="its weights must lie between 0 and 100"):
        from_json(to_json(fitted, PETS) | {"weights": dict(zip(PETS.levels, weights, strict=True))}, PETS)


def test_the_thresholds_are_those_of_conformal_risk_control(fitted: Calibration) -> None:
    """The table's entry for 10 %, worked out from the same images."""
    rng = np.random.default_rng(0)
    labels = PETS.label_paths(rng.integers(4, size=600))
    heads = [
        2 * np.eye(size)[ids] + rng.normal(size=(600, size)) for size, ids in zip(PETS.sizes, labels.T, strict=True)
    ]
    nodes = fitted.posterior(heads, PETS)
    agreement = nodes[0] + nodes[1][:, PETS.ancestors[1]]
    leaf = agreement.argmax(axis=1)
    rows = np.arange(600)
    kind = PETS.ancestors[1][leaf]
    risks = np.maximum(
        np.where(leaf != labels[:, 0], nodes[0][rows, leaf], -1),
        np.where(kind != labels[:, 1], nodes[1][rows, kind], -1),
    )
    assert fitted.back_off_threshold(0.1, decoder="crm") == pytest.approx(back_off_threshold(risks, max_error=0.1))


def test_a_calibration_of_heads_that_are_always_wrong_can_be_read() -> None:
    labels = PETS.label_paths(np.arange(40) % 4)
    heads = [9 * np.eye(4)[(labels[:, 0] + 1) % 4], 9 * np.eye(2)[1 - labels[:, 1]]]
    wrong = fit(heads, labels, PETS, decoder="crm", source="40 images")
    assert from_json(json.loads(json.dumps(to_json(wrong, PETS))), PETS) == wrong


def test_an_error_between_two_kept_ones_names_the_images_that_it_needs() -> None:
    """0.0015 has the threshold of 0.001, which needs 999 images: 700 are too few, although more than 1 / 0.0015."""
    calibration = Calibration((1.0, 0.0), 700, "700 images", sets=(None, *[0.1] * 499))
    with pytest.raises(UserError, match=r"700 held-out images are too few .* needs at least 999 with a known leaf"):
        calibration.set_threshold(1 - 0.0015)
    assert calibration.set_threshold(1 - 0.002) == 0.1


@pytest.mark.parametrize("error", [0.0009, 1e-12, 1e-300])
def test_an_error_below_the_kept_ones_is_one_short_sentence(error: float) -> None:
    """Also where there are images enough: the thresholds begin at 0.001."""
    calibration = Calibration((1.0, 0.0), 10**6, "a million images", sets=(0.1,) * 500)
    with pytest.raises(UserError, match=r"^--set: a guarantee can allow no less than 0\.1 % of wrong answers or sets$"):
        calibration._threshold(calibration.sets, error, "--set")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": -1}, "number of images"),
        ({"images": 1.5}, "number of images"),
        ({"images": float("inf")}, "number of images"),
        ({"images": True}, "number of images"),
        ({"images": None}, "number of images"),
        ({"format": "2"}, "its format is '2'"),
        ({"format": 0}, "its format is 0"),
        ({"back_off": [0.5] * 499}, "thresholds"),
        ({"back_off": [float("nan")] * 500}, "thresholds"),
        ({"sets": [-0.1] * 500}, "thresholds"),
        ({"sets": [1e400] * 500}, "thresholds"),
    ],
)
def test_a_damaged_file_is_refused(fitted: Calibration, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(to_json(fitted, PETS) | changes, PETS)


@pytest.mark.parametrize("value", [[], None, "calibration", 3])
def test_a_file_that_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        from_json(value, PETS)


def test_a_file_of_a_later_version_is_refused(fitted: Calibration) -> None:
    with pytest.raises(UserError, match="format 3, of a later version"):
        from_json(to_json(fitted, PETS) | {"format": 3}, PETS)


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf"), 1e-9])
def test_temperatures_that_are_no_temperatures_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=r"weights|temperatures"):
        from_json({"temperature": {"fine": temperature, "kind": 1.0}, "images": 500}, PETS)
