"""A run that held no images out takes over another run's calibration, and its answers then have guarantees."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import treehead
from treehead import cli
from treehead.config import changed
from treehead.data.dataset import Dataset
from treehead.data.shapes import shapes
from treehead.recipes import recipe
from treehead.run import runner
from treehead.runfiles import RunFolder
from treehead.types import UserError

SMALL = {
    "network.stages": [{"width": 8, "residuals": 0}, {"width": 16, "residuals": 0}],
    "train.epochs": 2,
    "engine.precision": "float32",
    "output.images": False,
}


class Quiet:
    """A callback that shows nothing."""

    def on_progress(self, progress: object) -> None: ...

    def on_epoch_end(self, record: object) -> None: ...


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return shapes(train_per_leaf=30, test_per_leaf=5)


@pytest.fixture(scope="module")
def runs(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run on all training images, one that held a tenth out, one that kept a fifth for calibration."""
    root = tmp_path_factory.mktemp("runs")
    changes = {"all": {}, "short": {"data.split": "90:10", "train.epochs": 1}, "kept": {"data.calibration": 0.2}}
    for name, change in changes.items():
        config = changed(recipe("shapes"), SMALL | {"name": name} | change)
        runner.start(config, root / name, load=lambda _: dataset, callback=Quiet())
    return {name: root / name for name in changes}


def metrics_of(root: Path) -> Any:
    return json.loads((root / "metrics.json").read_text())


def test_images_kept_for_calibration_are_not_trained_on(runs: dict[str, Path]) -> None:
    metrics = metrics_of(runs["kept"])
    assert metrics["calibration"]["source"] == "144 images held out of the training (data.split official)"
    arrays = RunFolder(runs["kept"]).read_arrays(RunFolder(runs["kept"]).images)
    assert len(arrays["train_digests"]) == 576
    assert not np.isin(arrays["calibration_digests"], arrays["train_digests"]).any()


def test_another_runs_calibration_is_taken_over_and_kept(runs: dict[str, Path], dataset: Dataset) -> None:
    before = metrics_of(runs["all"])
    taken = runner.calibrate(runs["all"], runs["short"], load=lambda _: dataset).metrics
    assert before["calibration"]["images"] == 0
    theirs = metrics_of(runs["short"])["calibration"]
    assert taken["calibration"]["weights"] == theirs["weights"]
    assert taken["calibration"]["source"].startswith(
        "run short: 72 images held out of the training (data.split 90:10); "
    )
    assert "train.epochs = 1 instead of 2" in taken["calibration"]["source"]
    again = runner.evaluate(runs["all"], load=lambda _: dataset).metrics
    assert again["calibration"] == taken["calibration"]
    resumed = runner.resume(runs["all"], load=lambda _: dataset, callback=Quiet()).metrics
    for key in ("weights", "images", "source"):
        assert resumed["calibration"][key] == taken["calibration"][key]
    prediction = treehead.load(runs["all"]).predict(dataset.test.pixels)
    bound = next(row for row in again["guarantees"]["risk_control"] if row["max_error"] == 0.2)
    wrong = [
        answer is not None and answer.name not in dataset.tree.path_names(leaf)
        for answer, leaf in zip(prediction.within_error(0.2), dataset.test.labels[:, 0].tolist(), strict=True)
    ]
    assert bound["error"] == pytest.approx(np.mean(wrong))


def test_a_run_with_images_of_its_own_keeps_them(runs: dict[str, Path], dataset: Dataset) -> None:
    before = (runs["kept"] / "calibration.json").read_bytes()
    with pytest.raises(UserError, match="has 144 held-out images of its own"):
        runner.calibrate(runs["kept"], runs["short"], load=lambda _: dataset)
    assert (runs["kept"] / "calibration.json").read_bytes() == before


def test_a_damaged_calibration_is_written_again_as_its_message_says(runs: dict[str, Path], dataset: Dataset) -> None:
    file = runs["kept"] / "calibration.json"
    before = json.loads(file.read_text())
    file.write_text("{}")
    with pytest.raises(UserError, match=r"calibration.json is damaged .*; `treehead evaluate .*` writes it again"):
        treehead.load(runs["kept"])
    runner.evaluate(runs["kept"], load=lambda _: dataset)
    assert json.loads(file.read_text()) == before


def test_a_run_of_another_tree_is_refused(runs: dict[str, Path], dataset: Dataset, tmp_path: Path) -> None:
    swapped = dataclasses.replace(dataset.tree, names=(dataset.tree.names[0][::-1], *dataset.tree.names[1:]))
    other = dataclasses.replace(dataset, tree=swapped)
    config = changed(recipe("shapes"), SMALL | {"data.split": "90:10", "train.epochs": 1})
    runner.start(config, tmp_path / "other", load=lambda _: other, callback=Quiet())
    with pytest.raises(UserError, match="other was trained on another label tree than"):
        runner.calibrate(runs["all"], tmp_path / "other", load=lambda _: dataset)


def test_a_promise_without_images_is_one_sentence(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (32, 32)).save("a.png")
    monkeypatch.setattr("sys.argv", ["treehead", "predict", str(runs["short"]), "a.png", "--max-error", "0.01"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    message = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "--max-error: 72 held-out images are too few for this guarantee, which needs at least 99" in message
