"""The scratch engine, end to end: runs of one engine are resumed, evaluated and used by the other."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import command
from PIL import Image

import treehead
from treehead.data.shapes import shapes
from treehead.recipes import recipe
from treehead.run import runner
from treehead.runfiles import RunFolder
from treehead.training.checkpoint import load_weights

CHANGES = {
    "train.epochs": 2,
    "train.batch_size": 64,
    "network.stages": [{"width": 8}, {"width": 12}],
    "optimizer.learning_rate": 1e-3,
    "engine.precision": "float32",
}
SCRATCH = {"engine.kind": "scratch"}
PYTORCH = {"engine.kind": "pytorch", "engine.precision": "float32"}


class Silent:
    def on_progress(self, progress: object) -> None: ...
    def on_epoch_end(self, record: object) -> None: ...


class Stopped(Silent):
    def on_epoch_end(self, record: object) -> None:
        raise KeyboardInterrupt


def data() -> object:
    return shapes(train_per_leaf=20, test_per_leaf=10)


def train(folder: Path, engine: dict[str, object], callback: Silent | None = None) -> runner.Run:
    config = treehead.changed(recipe("shapes"), CHANGES | engine)
    return runner.start(config, folder, load=lambda _: data(), callback=callback or Silent())  # pyright: ignore[reportArgumentType, reportReturnType]


def test_a_run_of_either_engine_is_evaluated_by_the_other(tmp_path: Path) -> None:
    for mine, other in ((SCRATCH, PYTORCH), (PYTORCH, SCRATCH)):
        run = train(tmp_path / str(mine["engine.kind"]), dict(mine))
        before = run.metrics
        again = runner.evaluate(run.root, load=lambda _: data(), changes=other).metrics  # pyright: ignore[reportArgumentType, reportReturnType]
        assert again["accuracy"] == pytest.approx(before["accuracy"], abs=0.005)
        assert again["loss"] == pytest.approx(before["loss"], rel=1e-4)
        assert json.loads((run.root / "environment.json").read_text())["engine"] == mine["engine.kind"]


@pytest.mark.parametrize(("first", "then"), [(SCRATCH, PYTORCH), (PYTORCH, SCRATCH)], ids=["scratch", "pytorch"])
def test_a_run_of_either_engine_is_resumed_by_the_other(
    first: dict[str, object], then: dict[str, object], tmp_path: Path
) -> None:
    whole = train(tmp_path / "whole", first)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", first, Stopped())
    parts = runner.resume(tmp_path / "parts", load=lambda _: data(), callback=Silent(), changes=then)  # pyright: ignore[reportArgumentType, reportReturnType]
    assert [record["epoch"] for record in parts.history] == [1, 2]
    losses = [run.history[1]["train"]["loss"] for run in (whole, parts)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    ours, theirs = (load_weights(run.root / "weights.safetensors") for run in (whole, parts))
    for name, value in ours.items():
        assert np.linalg.norm(theirs[name] - value) < 0.02 * np.linalg.norm(value) + 1e-3, name
    environment = RunFolder(parts.root).read_json(parts.root / "environment.json")
    assert environment["engine"] == then["engine.kind"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "shapes", "engine.kind=scratch", "engine.device=cuda"], "the scratch engine supports only cpu"),
        (["train", "shapes", "engine.kind=scratch", "engine.precision=bfloat16"], "supports only float32"),
        (["train", "shapes", "engine.kind=skratch"], "engine.kind = 'skratch'"),
        (
            ["resume", ".", "train.epochs=3"],
            "train.epochs cannot be changed by this command, only data.root, data.cache and engine.",
        ),
        (
            ["evaluate", ".", "seed=3"],
            "seed cannot be changed by this command, only decode, data.root, data.cache and engine.",
        ),
        (["predict", "engine.kind=scratch"], "no image given"),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = command(*arguments, folder=tmp_path)
    assert (result.returncode, message in result.stderr) == (2, True), result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_model_answers_the_same(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)).save(picture)
    answers = []
    for kind in ("scratch", "pytorch"):
        result = command(
            "predict", "--json", str(picture), f"engine.kind={kind}", "engine.precision=float32", folder=tmp_path
        )
        assert result.returncode == 0, result.stderr
        answers.append(json.loads(result.stdout)["levels"])
    for level, ours in answers[0].items():
        assert ours["answer"] == answers[1][level]["answer"]
        assert ours["probability"] == pytest.approx(answers[1][level]["probability"], abs=1e-4)
