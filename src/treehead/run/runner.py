"""One run, from its config to its finished folder."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

from treehead.config import DataConfig, RunConfig, changed, read_config, write_config
from treehead.data.balance import class_weights
from treehead.data.dataset import Dataset, Splits, channel_statistics, split
from treehead.engines.api import Engine, Trainer
from treehead.engines.objective import Objective, check_objective
from treehead.engines.weights import initial_weights
from treehead.engines.whitening import whitening_kernels
from treehead.extras import require
from treehead.hierarchy.tree import LabelTree
from treehead.inference.model import Model, build_engine, engine_kind, load_model, save_model
from treehead.records.run import Environment, EpochRecord, LayerRow, Metrics, Network
from treehead.run.environment import describe_environment, now
from treehead.run.evaluation import evaluate_model
from treehead.run.losses import objective_of
from treehead.runfiles import RunFolder, make_folder, write_json, write_text
from treehead.spec import NetSpec, build_spec, check_size, grown, num_multiply_adds, num_parameters, rows
from treehead.system import exclusive, peak_memory_bytes
from treehead.training.loop import Callback, fit
from treehead.training.schedule import build_schedule
from treehead.training.tensorboard import TensorBoardCallback
from treehead.training.work import training_work
from treehead.types import Array, UserError, Weights

Loader: TypeAlias = Callable[[DataConfig], Dataset]


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, with its results.

    Attributes:
        root: The path of the run folder.
    """

    root: Path

    @property
    def metrics(self) -> Metrics:
        """Every metric on the test images, as in `metrics.json`; see `records.run.Metrics`.

        Raises:
            UserError: The run is not finished.
        """
        folder = RunFolder(self.root)
        return folder.read_json(folder.metrics)

    @property
    def history(self) -> list[EpochRecord]:
        """One record per finished epoch, as in `history.jsonl`; see `records.run.EpochRecord`."""
        return RunFolder(self.root).read_history()


def start(
    config: RunConfig, root: Path, *, load: Loader, callback: Callback, objective: Objective | None = None
) -> Run:
    """Train a new run in the folder `root` and evaluate it.

    Conventions: an `objective` replaces the config's loss, which is stored as loss.kind = "custom".
    Raises: UserError: the folder contains a run already or cannot be made, or the config does not fit data or machine;
        RunError: the training failed.
    """
    folder = RunFolder(root)
    _check_empty(folder)
    if objective is not None:
        config = _with_custom_loss(config)
    setup = _set_up(config, load, objective)  # before anything is written: an error leaves no incomplete folder
    make_folder(root)
    with _locked(folder):
        _check_empty(folder)  # another process may have been faster
        write_text(folder.config, write_config(config))
        write_json(folder.tree, setup.model.tree.to_json())
        write_json(folder.network, network_json(setup.model.spec))
        engine = setup.trainer.engine
        environment = describe_environment(engine.accelerator) | _engine_facts(config, engine)
        work = training_work(config, setup.model.spec, num_images=len(setup.splits.train))
        write_json(folder.environment, environment | {"work_pflop": round(work, 6)})
        return _train(setup, folder, callback)


def _check_empty(folder: RunFolder) -> None:
    if folder.environment.exists():
        raise UserError(
            f"{folder.root} contains a run already; `treehead resume {folder.root}` continues it, or choose another "
            "folder"
        )


def _locked(folder: RunFolder) -> AbstractContextManager[None]:
    """Only one process may train or evaluate a run at a time. Raises: UserError: another one does."""
    return exclusive(folder.lock, f"another process trains or evaluates {folder.root}; wait for it, or stop it first")


def resume(
    root: Path,
    *,
    load: Loader,
    callback: Callback,
    changes: Mapping[str, object] | None = None,
    objective: Objective | None = None,
) -> Run:
    """Continue the run in `root` after its last finished epoch; a finished one is only evaluated again.

    Conventions: `changes` hold for this call alone; the folder's config is not modified.
    Raises: UserError: not a run folder; the run was started with an objective and none is given, or the reverse.
    """
    folder = RunFolder(root).checked()
    config = changed(read_config(folder.read_text(folder.config)), changes or {})
    if objective is not None and config.loss.kind != "custom":
        raise UserError(f"{root} was started with loss.kind = {config.loss.kind!r}; resume it without an objective")
    with _locked(folder):
        return _train(_set_up(config, load, objective), folder, callback)


def _with_custom_loss(config: RunConfig) -> RunConfig:
    kept = {f"loss.{key}": getattr(config.loss, key) for key in ("level_weights", "final_level_weights")}
    return changed(config, {"loss.kind": "custom"} | kept)


@dataclass(frozen=True, slots=True, eq=False)
class _Setup:
    model: Model
    splits: Splits
    trainer: Trainer


def _set_up(config: RunConfig, load: Loader, objective: Objective | None) -> _Setup:
    if config.output.tensorboard:
        require("tensorboard")
    engine_kind(config.engine).check(config.engine)  # before the data is read, which may take long
    dataset = load(config.data)
    splits = split(dataset, config.data.split, pool=config.data.pool, seed=config.seed)
    spec = spec_of(config, dataset)
    network = grown(config.network, min(spec.input_shape[1:]))
    for part in config.augment.shrink:
        check_size(network, part.pixels, part.pixels)
    objective = _objective_for(config, dataset.tree, splits, objective)
    mean, std = channel_statistics(splits.train.pixels)
    uncalibrated = (1.0,) * len(dataset.tree.levels)
    weights = first_weights(config, spec, splits.train.pixels, mean=mean, std=std)
    model = Model(config, dataset.tree, spec, weights, mean, std, uncalibrated)
    return _Setup(model, splits, build_engine(model).trainer(objective, config.optimizer, splits.train))


def first_weights(config: RunConfig, spec: NetSpec, pixels: Array, *, mean: Array, std: Array) -> Weights:
    """The initial weights of a run, which depend on its training images if it whitens their patches."""
    network, whitening = config.network, None
    if network.whitening_px:
        whitening = whitening_kernels(pixels, mean=mean, std=std, kernel_size=network.whitening_px)
    return initial_weights(spec, seed=config.seed, init=network.init, head_init=network.head_init, whitening=whitening)


def _objective_for(config: RunConfig, tree: LabelTree, splits: Splits, objective: Objective | None) -> Objective:
    """The given objective, checked, or that of the config; with class weights where the config asks for them."""
    objective = objective_of(config.loss, tree) if objective is None else objective
    check_objective(objective, tree.levels, tree.sizes)
    if config.data.balance != "weights":
        return objective
    if objective.class_weights is not None:
        raise UserError("data.balance = 'weights' would replace objective.class_weights; use one of them")
    return dataclasses.replace(objective, class_weights=class_weights(splits.train.labels, tree.sizes))


def _train(setup: _Setup, folder: RunFolder, callback: Callback) -> Run:
    model, trainer = setup.model, setup.trainer
    config, levels = model.config, model.tree.levels
    if config.output.tensorboard:
        callback = TensorBoardCallback(folder.events, callback)
    schedule = build_schedule(config, setup.splits.train, num_levels=len(levels))
    fit(trainer, setup.splits.validation, schedule, levels=levels, folder=folder, callback=callback)
    model = dataclasses.replace(model, weights=trainer.engine.weights())
    save_model(folder, model)
    environment: Environment = folder.read_json(folder.environment) | _engine_facts(config, trainer.engine)
    seconds = sum(record["seconds"] for record in folder.read_history())
    environment.update(finished=now(), seconds=round(seconds, 1), peak_memory_bytes=peak_memory_bytes())
    write_json(folder.environment, environment)
    evaluate_model(trainer.engine, model, setup.splits, folder, decode_kind=config.decode)
    return Run(folder.root)


def _engine_facts(config: RunConfig, engine: Engine) -> dict[str, str]:
    return {"engine": config.engine.kind, "device": engine.device, "precision": engine.precision}


def evaluate(root: Path, *, load: Loader, changes: Mapping[str, object] | None = None) -> Run:
    """Evaluate a trained run on its test images again, perhaps with another decoder or engine; replaces its metrics.

    Raises: UserError: the run is not finished, or its data set is missing.
    """
    folder = RunFolder(root).checked()
    with _locked(folder):
        model = load_model(folder, changes)
        config = model.config
        splits = split(load(config.data), config.data.split, pool=config.data.pool, seed=config.seed)
        evaluate_model(build_engine(model), model, splits, folder, decode_kind=config.decode)
    return Run(root)


def spec_of(config: RunConfig, dataset: Dataset) -> NetSpec:
    """The network of this config for these images."""
    _, channels, height, width = dataset.train.pixels.shape
    tree = dataset.tree
    shape = (channels, height, width)
    return build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes)


def network_json(spec: NetSpec) -> Network:
    """The parameter table."""
    return {
        "input": list(spec.input_shape),
        "layers": [cast("LayerRow", dataclasses.asdict(row)) for row in rows(spec)],
        "parameters": num_parameters(spec),
        "multiply_adds": num_multiply_adds(spec),
    }
