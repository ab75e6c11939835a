"""calibration.json of a run folder: how its heads are pooled, and the thresholds of its guarantees."""

from treehead.hierarchy.tree import LabelTree
from treehead.posterior.held_out import Calibration, from_json, to_json, uncalibrated
from treehead.runfiles import RunFolder, write_json
from treehead.types import UserError

NO_IMAGES = "no images were held out from training"
"""Why a run on the official split is not calibrated: its images are all training or test images."""


def write_calibration(folder: RunFolder, calibration: Calibration, tree: LabelTree) -> None:
    """Write calibration.json."""
    write_json(folder.calibration, to_json(calibration, tree))


def read_calibration(folder: RunFolder, tree: LabelTree) -> Calibration:
    """Read calibration.json; the leaf head as it is if the run, of an early version, has no such file.

    Raises: UserError: the file is damaged, or belongs to another tree.
    """
    if not folder.calibration.exists():
        return uncalibrated(len(tree.levels), NO_IMAGES)
    value = folder.read_json(folder.calibration)
    try:
        return from_json(value, tree)
    except UserError as error:
        raise UserError(f"{folder.calibration}: {error}; `treehead evaluate {folder.root}` writes it again") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{folder.calibration} is damaged ({error!r}); `treehead evaluate {folder.root}` writes it again"
        ) from None


def usable_calibration(folder: RunFolder, tree: LabelTree) -> Calibration:
    """As `read_calibration`, but the leaf head as it is in place of a file that cannot be used."""
    try:
        return read_calibration(folder, tree)
    except UserError:
        return uncalibrated(len(tree.levels), NO_IMAGES)
