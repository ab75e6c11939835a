"""calibration.json: written, read, and refused where it does not belong."""

from pathlib import Path

import pytest

from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import NO_IMAGES, read_calibration, write_calibration
from treehead.posterior.held_out import Calibration, uncalibrated
from treehead.runfiles import RunFolder
from treehead.types import UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})


def test_calibration_is_stored_in_the_run_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert read_calibration(folder, PETS) == uncalibrated(2, NO_IMAGES)  # a run of an early version has no file
    written = Calibration((1.5, 0.75), 300, "300 images", "crm", (None,) * 500, (0.5,) * 500)
    write_calibration(folder, written, PETS)
    assert read_calibration(folder, PETS) == written


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"temperature": {"fine": 1}, "images": 1, "reason": null}',
        '{"temperature": {"fine": 0',
        '{"temperature": {"fine": 0, "kind": 1}, "images": 1, "reason": null}',
        '{"temperature": {"fine": -1, "kind": 1}, "images": 1, "reason": null}',
        '{"format": 2}',
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path)
    folder.calibration.write_text(text)
    with pytest.raises(UserError, match=r"calibration.json is damaged"):
        read_calibration(folder, PETS)


def test_the_file_of_another_tree_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_calibration(folder, uncalibrated(2, NO_IMAGES), PETS)
    other = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["dog", "cat"], "fish": ["carp"]})
    with pytest.raises(UserError, match=r"calibration.json: it was fitted on another tree; `treehead evaluate"):
        read_calibration(folder, other)
