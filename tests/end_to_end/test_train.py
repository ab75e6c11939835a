"""Train, stop, resume, evaluate, report and predict on the shapes data set, mostly by the command line."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import command
from made_up_run import BuiltOnce
from PIL import Image

import treehead
from treehead.data.shapes import shapes
from treehead.recipes import recipe
from treehead.run import runner
from treehead.run.predictions import read_predictions
from treehead.runfiles import RunFolder
from treehead.system import exclusive
from treehead.training.checkpoint import load_weights
from treehead.types import RunError, UserError

QUICK = ["train.epochs=2", "train.batch_size=256", "network.stages=[{width=12},{width=16}]"]
QUICK_CHANGES = {"train.epochs": 3, "train.batch_size": 256, "network.stages": [{"width": 8}, {"width": 12}]}


class Silent:
    def on_progress(self, progress: object) -> None: ...
    def on_epoch_end(self, record: object) -> None: ...


@pytest.fixture(scope="module")
def trained(built_once: BuiltOnce) -> Path:
    """A finished run, trained by the command in a temporary folder."""

    def train(folder: Path) -> None:
        result = command("train", "shapes", *QUICK, folder=folder)
        assert result.returncode == 0, result.stderr
        assert "report: runs/shapes/report.html" in result.stdout
        assert "epoch 2/2" in result.stdout
        assert "accuracy" in result.stdout

    return built_once("trained", train) / "runs" / "shapes"


def test_the_run_folder_is_complete(trained: Path) -> None:
    present = {path.name for path in trained.iterdir()} - {".lock"}
    assert present == {
        "config.toml",
        "environment.json",
        "tree.json",
        "images.npz",
        "network.json",
        "history.jsonl",
        "checkpoint.safetensors",
        "weights.safetensors",
        "calibration.json",
        "metrics.json",
        "predictions.npz",
        "samples.npz",
        "report.html",
        "figures",
    }
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["images"] == 1200
    assert sum(metrics["severity_counts"]) == 1200
    assert metrics["alarm"] is None
    assert np.sum(metrics["confusion"]["fine"]) == 1200
    history = RunFolder(trained).read_history()
    assert [record["epoch"] for record in history] == [1, 2]
    assert set(history[0]["train"]["losses"]) == {"fine", "superclass", "group"}
    environment = json.loads((trained / "environment.json").read_text())
    assert environment["finished"]
    assert environment["peak_memory_bytes"] > 1e8
    assert 0 < environment["work_pflop"] < 1e-2


def test_metrics_are_those_of_the_last_epoch(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    history = RunFolder(trained).read_history()
    heads = metrics["decoders"]["independent"]["accuracy"]  # the curves show each head alone
    assert history[-1]["validation"]["accuracy"] == pytest.approx(heads, abs=2 / metrics["images"])


def test_a_run_without_separate_validation_images_is_not_calibrated(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    calibration = json.loads((trained / "calibration.json").read_text())
    assert calibration["source"] == "no images were held out from training"
    assert calibration["weights"] == {"fine": 1.0, "superclass": 0.0, "group": 0.0}
    before, after = metrics["calibration"]["before"], metrics["calibration"]["after"]
    assert before["loss"]["fine"] == after["loss"]["fine"]
    assert metrics["guarantees"] == {"risk_control": [], "sets": []}
    assert metrics["back_off"]["risk"][0] == pytest.approx(1 - metrics["accuracy"]["fine"])
    assert metrics["risk_coverage"]["risk"]["group"][-1] == pytest.approx(1 - metrics["accuracy"]["group"])


def test_evaluate_with_another_decoder(trained: Path) -> None:
    before = json.loads((trained / "metrics.json").read_text())
    result = command("evaluate", str(trained), "decode=path", folder=trained.parent)
    assert result.returncode == 0, result.stderr
    after = json.loads((trained / "metrics.json").read_text())
    assert after["decode"] == "path"
    assert after["tree_inconsistency"] == 0
    assert after["full_path_accuracy"] == after["accuracy"]["fine"]
    assert after["loss"] == pytest.approx(before["loss"])
    assert treehead.load(trained).decode == "path"  # predictions answer as the metrics say
    again = command("evaluate", str(trained), "decode=crm", "--decoders", folder=trained.parent)
    assert [line.split()[0] for line in again.stdout.splitlines()[-7:-2]] == list(after["decoders"])
    assert json.loads((trained / "metrics.json").read_text())["accuracy"] == before["accuracy"]


def test_predict_reads_an_image_of_any_size(trained: Path) -> None:
    picture = trained.parent / "täst picture '1'.jpg"
    Image.fromarray(np.random.default_rng(0).integers(256, size=(90, 200, 3), dtype=np.uint8)).save(picture)
    result = command("predict", str(trained), str(picture), folder=trained.parent)
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["fine", "superclass", "group"]
    answer = json.loads(command("predict", "--json", str(trained), str(picture), folder=trained.parent).stdout)
    assert answer["image"] == str(picture)
    assert 0 < answer["levels"]["fine"]["probability"] <= 1


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing.png", "there is no image at nothing.png"), ("broken.png", "broken.png is not an image")],
)
def test_predict_refuses_other_files(trained: Path, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    result = command("predict", str(trained), name, folder=tmp_path)
    assert (result.returncode, message in result.stderr) == (2, True), result.stderr


def test_load_gives_the_recorded_predictions(trained: Path) -> None:
    classifier = treehead.load(trained)
    test = shapes().test
    prediction = classifier.predict(test.pixels[:50])
    stored = read_predictions(RunFolder(trained), classifier.tree)
    expected = classifier.calibration.posterior([level[:50] for level in stored.logits], classifier.tree)
    np.testing.assert_allclose(prediction.probabilities[0], expected[0], atol=2e-3)
    assert (prediction.answers == stored.answers[:50]).all()
    assert len(prediction.names()[0]) == 3


def test_a_resumed_run_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    """Bit-identical weights after an interruption within an epoch, with SAM from that epoch on."""
    config = treehead.changed(recipe("shapes"), QUICK_CHANGES | {"sam.radius": 0.02, "sam.begin": 0.4})
    data = shapes(train_per_leaf=60, test_per_leaf=10)

    class Interrupting(Silent):
        def on_progress(self, progress: object) -> None:
            if getattr(progress, "epoch", 0) == 2:
                raise KeyboardInterrupt

    whole = runner.start(config, tmp_path / "whole", load=lambda _: data, callback=Silent())
    with pytest.raises(KeyboardInterrupt):
        runner.start(config, tmp_path / "parts", load=lambda _: data, callback=Interrupting())
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    parts = runner.resume(tmp_path / "parts", load=lambda _: data, callback=Silent())
    ours, theirs = (load_weights(run.root / "weights.safetensors") for run in (whole, parts))
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert [record["epoch"] for record in parts.history] == [1, 2, 3]
    assert whole.metrics == parts.metrics


@pytest.mark.slow
def test_ctrl_c_prints_the_resume_command(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "treehead", "train", "shapes", "train.epochs=500", *QUICK[1:], "--out", "run"]
    with subprocess.Popen(
        arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        history = tmp_path / "run" / "history.jsonl"
        deadline = time.monotonic() + 120
        while not history.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "resume with: treehead resume run" in errors
    assert "Traceback" not in errors


def test_a_diverging_loss_stops_the_run(tmp_path: Path) -> None:
    data = shapes(train_per_leaf=60, test_per_leaf=10)
    config = treehead.changed(
        recipe("shapes"),
        QUICK_CHANGES | {"optimizer.kind": "sgd", "optimizer.learning_rate": 1e30, "engine.precision": "float32"},
    )
    with pytest.raises(RunError, match=r"the loss became (nan|inf) at step \d+ of epoch \d, learning rate .*smaller"):
        runner.start(config, tmp_path / "run", load=lambda _: data, callback=Silent())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "cifar10"], 2, "no recipe 'cifar10'; did you mean cifar100 or cifar100-fast?"),
        (["train", "shapes", "train.epoch=3"], 2, "did you mean train.epochs?"),
        (["train", "shapes", "train.epochs=-3"], 2, "train.epochs = -3"),
        (["train", "missing.toml"], 2, "cannot read missing.toml"),
        (["train", "shapes", "epochs"], 2, "'epochs' is not key=value"),
        (["train", "shapes", "data.pool=all"], 2, "needs percentages in data.split"),
        (["train", "cifar100", "data.root=nowhere"], 2, "data.root = nowhere does not contain CIFAR-100"),
        (["train", "cifar100", "data.tree=oak"], 2, "CIFAR-100 has no tree 'oak'"),
        (["resume", "nowhere"], 2, "there is no run folder at nowhere"),
        (["report", "."], 2, "is not a run folder"),
        (["evaluate", "nowhere"], 2, "there is no run folder at nowhere"),
        (["predict", "cifar100"], 2, "no image given"),
        (["predict", "."], 2, "none of the images could be read; broken.png is not an image"),
        (["data", "get", "imagenet"], 2, "cannot download 'imagenet', only cifar100"),
        (["sing"], 2, "No such command 'sing'"),
        (["train", "--speed"], 2, "No such option"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    result = command(*arguments, folder=tmp_path, TREEHEAD_DATA="")
    assert (result.returncode, message in result.stderr) == (code, True), result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.png"], "no partial files"


def test_a_run_of_another_version_is_refused(trained: Path, tmp_path: Path) -> None:
    environment = json.loads((trained / "environment.json").read_text()) | {"format": 99}
    (tmp_path / "environment.json").write_text(json.dumps(environment))
    result = command("report", ".", folder=tmp_path)
    assert result.returncode == 2
    assert "has run format 99" in result.stderr


@pytest.mark.slow
def test_a_report_without_images(trained: Path) -> None:
    page = trained / "report.html"
    assert command("report", str(trained), "--no-images", folder=trained.parent).returncode == 0
    without = page.read_text().count("data:image/png")
    assert command("report", str(trained), folder=trained.parent).returncode == 0
    assert page.read_text().count("data:image/png") > without


def test_a_folder_with_a_run_is_not_overwritten(trained: Path) -> None:
    result = command("train", "shapes", *QUICK, "--out", str(trained), folder=trained.parent)
    assert result.returncode == 2
    assert "contains a run already" in result.stderr


def test_a_run_is_trained_by_one_process_at_a_time(trained: Path) -> None:
    data = shapes(train_per_leaf=4, test_per_leaf=2)
    with exclusive(RunFolder(trained).lock, "held"):
        with pytest.raises(UserError, match="another process trains, evaluates or reports on"):
            runner.resume(trained, load=lambda _: data, callback=Silent())
        with pytest.raises(UserError, match="another process trains, evaluates or reports on"):
            runner.evaluate(trained, load=lambda _: data)


@pytest.mark.parametrize("arguments", [("train", "shapes"), ("study", "shapes")])
def test_a_file_in_place_of_the_folder_is_named(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    result = command(*arguments, *QUICK, "--out", "taken/run", folder=tmp_path)
    assert result.returncode == 2
    assert "treehead: no folder can be made at taken/run" in result.stderr
    assert "(Not a directory); name another with --out" in result.stderr
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    result = subprocess.run(
        f"{sys.executable} -m treehead data show shapes --out /dev/full/x.png",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


def test_tensorboard_events_are_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    data = shapes(train_per_leaf=20, test_per_leaf=5)
    config = treehead.changed(recipe("shapes"), QUICK_CHANGES | {"train.epochs": 1, "output.tensorboard": True})
    runner.start(config, tmp_path / "run", load=lambda _: data, callback=Silent())
    assert list((tmp_path / "run" / "events").iterdir())


def test_summary_config_and_data_show(tmp_path: Path) -> None:
    assert "96,247,808" in command("summary", folder=tmp_path).stdout
    assert "optimizer.learning_rate" in command("config", "shapes", folder=tmp_path).stdout
    assert command("data", "show", "shapes", "--out", "sheet.png", folder=tmp_path).returncode == 0
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size[0] > 300


def test_the_command_prints_the_work(tmp_path: Path) -> None:
    printed = command("summary", "cifar100-fast", "--work", "data.split=80:20", folder=tmp_path)
    assert printed.returncode == 0
    assert printed.stdout.endswith("PFLOP in convolutions and linear layers, for 50 epochs of 40,000 images\n")
    plain = command("summary", "cifar100-fast", folder=tmp_path)
    assert printed.stdout.startswith(plain.stdout)
