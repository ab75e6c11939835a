"""The Python interface: train and resume with a custom dataset and a custom objective."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import treehead
from treehead.data.shapes import shapes
from treehead.training.checkpoint import load_weights

pytestmark = pytest.mark.slow

CONFIG = treehead.changed(
    treehead.recipe("shapes"),
    {
        "train.epochs": 2,
        "train.batch_size": 64,
        "network.stages": [{"width": 4}],
        "engine.precision": "float32",
        "loss.level_weights": [1.0, 0.5],
    },
)
DATASET = shapes(train_per_leaf=6, test_per_leaf=3)
PLAIN = treehead.objective_of(CONFIG.loss, DATASET.tree)
CUSTOM = dataclasses.replace(PLAIN, expected_severity=2.0)


class Silent:
    def on_progress(self, progress: object) -> None: ...
    def on_epoch_end(self, record: object) -> None: ...


class Stopped(Silent):
    def on_epoch_end(self, record: object) -> None:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> treehead.Run:
    folder = tmp_path_factory.mktemp("whole") / "run"
    return treehead.train(CONFIG, folder, dataset=DATASET, objective=CUSTOM, callback=Silent())


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    with pytest.raises(KeyboardInterrupt):
        treehead.train(CONFIG, tmp_path / "run", dataset=DATASET, objective=CUSTOM, callback=Stopped())
    return tmp_path / "run"


def test_a_custom_run_has_a_normal_run_folder(whole: treehead.Run) -> None:
    config = (whole.root / "config.toml").read_text()
    assert 'name = "arrays"' in config
    assert 'kind = "custom"\n' in config
    assert "level_weights = [\n    1.0,\n    0.5,\n]" in config
    assert whole.metrics["images"] == len(DATASET.test)
    assert [record["epoch"] for record in whole.history] == [1, 2]
    answers = treehead.load(whole.root).predict(DATASET.test.pixels).answers
    assert (answers[:, 0] == DATASET.test.labels[:, 0]).mean() == whole.metrics["accuracy"]["fine"]


def test_the_objective_replaces_the_loss_of_the_config(whole: treehead.Run, tmp_path: Path) -> None:
    plain = treehead.train(CONFIG, tmp_path / "plain", dataset=DATASET, callback=Silent())
    given = treehead.train(CONFIG, tmp_path / "given", dataset=DATASET, objective=PLAIN, callback=Silent())
    losses = [run.history[0]["train"]["loss"] for run in (plain, given, whole)]
    assert losses[0] == losses[1]
    assert losses[2] > losses[0] + 0.5, "the expected severity was added"


def test_a_resumed_custom_run_is_the_run_never_stopped(whole: treehead.Run, stopped: Path) -> None:
    resumed = treehead.resume(stopped, dataset=DATASET, objective=CUSTOM, callback=Silent())
    ours, theirs = (load_weights(run.root / "weights.safetensors") for run in (resumed, whole))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_custom_run_is_not_resumed_without_its_arguments(stopped: Path) -> None:
    with pytest.raises(treehead.UserError, match=r"loss\.kind = 'custom' needs an Objective: pass objective="):
        treehead.resume(stopped, dataset=DATASET, callback=Silent())
    with pytest.raises(treehead.UserError, match=r"data\.name = 'arrays'"):
        treehead.resume(stopped, objective=CUSTOM, callback=Silent())
    assert len(treehead.Run(stopped).history) == 1


def test_an_objective_is_refused_where_the_config_has_a_loss(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        treehead.train(CONFIG, tmp_path / "run", dataset=DATASET, callback=Stopped())
    with pytest.raises(treehead.UserError, match=r"loss\.kind = 'cross_entropy'; resume it without an objective"):
        treehead.resume(tmp_path / "run", dataset=DATASET, objective=CUSTOM, callback=Silent())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": PLAIN.targets[:2]}, "objective.targets has 2 arrays, expected 3: fine, superclass, group"),
        ({"costs": (), "expected_severity": 1.0}, "objective.costs has 0 arrays"),
        ({"costs": (np.zeros((2, 2)), *PLAIN.costs[1:])}, r"costs of fine has the shape \(2, 2\), expected \(24, 24\)"),
        ({"marginal": np.ones(3), "ancestors": None}, "objective.ancestors has 0 arrays"),
        ({"marginal": np.ones(2)}, r"objective.marginal of all levels has the shape \(2,\), expected \(3,\)"),
        ({"class_weights": (np.ones(3),) * 3}, r"class_weights of fine has the shape \(3,\), expected \(24,\)"),
    ],
)
def test_an_objective_that_does_not_fit_the_tree_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    wrong = dataclasses.replace(PLAIN, **changes)  # pyright: ignore[reportArgumentType]
    with pytest.raises(treehead.UserError, match=message):
        treehead.train(CONFIG, tmp_path / "run", dataset=DATASET, objective=wrong, callback=Silent())
    assert not (tmp_path / "run").exists()


def test_two_sources_of_class_weights_are_refused(tmp_path: Path) -> None:
    config = treehead.changed(CONFIG, {"data.balance": "weights"})
    weighted = dataclasses.replace(PLAIN, class_weights=tuple(np.ones(size) for size in DATASET.tree.sizes))
    with pytest.raises(treehead.UserError, match=r"data\.balance = 'weights' would replace objective\.class_weights"):
        treehead.train(config, tmp_path / "run", dataset=DATASET, objective=weighted, callback=Silent())


def test_every_public_name_can_be_imported_more_than_once() -> None:
    for name in treehead.__all__:
        assert getattr(treehead, name) is getattr(treehead, name)
