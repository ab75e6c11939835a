"""The temperatures of a run: fitted on images it neither trained on nor is tested on, kept in calibration.json.

Axes: L levels.
"""

from dataclasses import dataclass

import numpy as np

from treehead.data.dataset import Splits
from treehead.engines.api import Engine
from treehead.metrics.calibration import fit_temperature
from treehead.metrics.flat import expected_calibration_error, log_loss, softmax
from treehead.records.run import CalibrationErrors, CalibrationFigures, CalibrationRecord
from treehead.runfiles import RunFolder, write_json
from treehead.types import Array, UserError

NO_IMAGES = "no validation images of its own"
"""Why a run on the official split is not calibrated: all its other images are trained on, or are the test."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature per level, leaves first; `images` they were fitted on, or the `reason` why they are all 1."""

    temperatures: tuple[float, ...]
    images: int = 0
    reason: str | None = None


def fit_calibration(engine: Engine, splits: Splits) -> Calibration:
    """Fit on the validation images; on none where those are the test images.

    Conventions: training images are no substitute. A network that knows them by heart is rightly sure of its answers
        there, so temperatures fitted on them would make it surer, where it should become more modest.
    """
    validation = splits.validation
    levels = validation.labels.shape[1]
    if validation is splits.test:
        return Calibration((1.0,) * levels, reason=NO_IMAGES)
    logits = engine.predict(validation.pixels)
    fitted = (_fit(level, labels) for level, labels in zip(logits, validation.labels.T, strict=True))
    return Calibration(tuple(fitted), images=len(validation))


def _fit(logits: Array, labels: Array) -> float:
    known = labels >= 0  # an image may be labelled at some levels only
    return fit_temperature(logits[known], labels[known]) if known.any() else 1.0


def write_calibration(folder: RunFolder, calibration: Calibration, levels: tuple[str, ...]) -> None:
    """Write calibration.json, by level."""
    write_json(folder.calibration, calibration_json(calibration, levels))


def calibration_json(calibration: Calibration, levels: tuple[str, ...]) -> CalibrationRecord:
    """What calibration.json holds."""
    by_level = dict(zip(levels, calibration.temperatures, strict=True))
    return {"temperature": by_level, "images": calibration.images, "reason": calibration.reason}


def read_calibration(folder: RunFolder, levels: tuple[str, ...]) -> Calibration:
    """Read calibration.json; a run from before there was one has temperatures of 1.

    Raises: UserError: it is damaged or does not fit the tree.
    """
    if not folder.calibration.exists():
        return Calibration((1.0,) * len(levels), reason=NO_IMAGES)
    value = folder.read_json(folder.calibration)
    try:
        temperatures = tuple(float(value["temperature"][level]) for level in levels)
        calibration = Calibration(temperatures, images=int(value["images"]), reason=value["reason"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder.calibration} is damaged ({error!r}); `treehead evaluate` writes it again") from None
    if not all(0 < temperature < np.inf for temperature in temperatures):
        raise UserError(f"{folder.calibration} is damaged: a temperature is positive; `treehead evaluate` rewrites it")
    return calibration


def calibration_figures(
    calibration: Calibration, levels: tuple[str, ...], *, logits: list[Array], labels: Array
) -> CalibrationFigures:
    """What the temperatures do to the test images: log-loss and calibration error of every level, before and after.

    Shapes: logits: per level (N, K_l); labels: (N, L) class ids, -1 where not known, which is not measured.
    """
    known = [(label[label >= 0], level[label >= 0]) for level, label in zip(logits, labels.T, strict=True)]

    def errors(temperatures: tuple[float, ...]) -> CalibrationErrors:
        columns = list(zip(levels, known, temperatures, strict=True))
        shares = {level: (label, softmax(values, temperature)) for level, (label, values), temperature in columns}
        return {
            "loss": {level: log_loss(*pair) for level, pair in shares.items()},
            "calibration_error": {level: expected_calibration_error(*pair) for level, pair in shares.items()},
        }

    before, after = errors((1.0,) * len(levels)), errors(calibration.temperatures)
    return {**calibration_json(calibration, levels), "before": before, "after": after}
