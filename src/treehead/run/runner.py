"""One run, from its config to its finished folder."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from treehead.config import DataConfig, RunConfig, changed, read_config, write_config
from treehead.data.balance import class_weights
from treehead.data.dataset import Dataset, Splits, channel_statistics, split
from treehead.engines.api import Engine
from treehead.engines.objective import Objective
from treehead.engines.weights import initial_weights
from treehead.inference.model import Model, build_engine, engine_kind, load_model, save_model
from treehead.run.environment import describe_environment, now, peak_memory_bytes
from treehead.run.evaluation import evaluate_model
from treehead.run.losses import objective_of
from treehead.runfiles import RunFolder, make_folder, write_json, write_text
from treehead.spec import NetSpec, build_spec, check_size, grown, num_multiply_adds, num_parameters, rows
from treehead.train.loop import Callback, fit
from treehead.train.schedule import build_schedule
from treehead.train.tensorboard import TensorBoardCallback, require_tensorboard
from treehead.types import UserError

Loader: TypeAlias = Callable[[DataConfig], Dataset]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, as its folder has it."""

    root: Path

    @property
    def metrics(self) -> dict[str, Any]:
        """Every figure, on the test images; see `metrics.summary.summarise`."""
        folder = RunFolder(self.root)
        return folder.read_json(folder.metrics)

    @property
    def history(self) -> list[dict[str, Any]]:
        """A record per epoch; see `train.loop.fit`."""
        return RunFolder(self.root).read_history()


def start(config: RunConfig, root: Path, *, load: Loader, callback: Callback) -> Run:
    """Train a new run in the folder `root` to its end and evaluate it.

    Raises: UserError: the folder holds a run already or cannot be made, or the config fits neither data nor machine;
        RunError: the training failed.
    """
    folder = RunFolder(root)
    if folder.environment.exists():
        raise UserError(f"{root} holds a run already; go on with `treehead resume {root}` or name another folder")
    setup = _set_up(config, load)  # before anything is written: a mistake leaves no half-made folder
    make_folder(root)
    write_text(folder.config, write_config(config))
    write_json(folder.tree, setup.model.tree.to_json())
    write_json(folder.network, network_json(setup.model.spec))
    write_json(folder.environment, describe_environment(setup.engine.accelerator) | _engine_facts(config, setup.engine))
    return _train(setup, folder, callback)


def resume(root: Path, *, load: Loader, callback: Callback, changes: Mapping[str, object] | None = None) -> Run:
    """Go on where the run in `root` stopped, perhaps with another engine; a finished one is only evaluated anew.

    Conventions: `changes` hold for this call alone; the folder's config stays what was asked at first.
    """
    folder = RunFolder(root).checked()
    config = changed(read_config(folder.read_text(folder.config)), changes or {})
    return _train(_set_up(config, load), folder, callback)


@dataclass(frozen=True, slots=True, eq=False)
class _Setup:
    model: Model
    splits: Splits
    objective: Objective
    engine: Engine


def _set_up(config: RunConfig, load: Loader) -> _Setup:
    if config.output.tensorboard:
        require_tensorboard()
    engine_kind(config.engine).check(config.engine)  # before the data is read, which may take long
    dataset = load(config.data)
    splits = split(dataset, config.data.split, pool=config.data.pool, seed=config.seed)
    spec = spec_of(config, dataset)
    network = grown(config.network, min(spec.input_shape[1:]))
    for part in config.augment.shrink:
        check_size(network, part.pixels, part.pixels)
    objective = objective_of(config.loss, dataset.tree)
    if config.data.balance == "weights":
        weights = class_weights(splits.train.labels, dataset.tree.sizes)
        objective = dataclasses.replace(objective, class_weights=weights)
    mean, std = channel_statistics(splits.train.pixels)
    uncalibrated = (1.0,) * len(dataset.tree.levels)
    model = Model(config, dataset.tree, spec, initial_weights(spec, seed=config.seed), mean, std, uncalibrated)
    return _Setup(model, splits, objective, build_engine(model, objective=objective))


def _train(setup: _Setup, folder: RunFolder, callback: Callback) -> Run:
    config, engine = setup.model.config, setup.engine
    if config.output.tensorboard:
        callback = TensorBoardCallback(folder.events, callback)
    fit(
        engine,
        setup.splits,
        build_schedule(config, setup.splits.train, num_levels=len(setup.model.tree.levels)),
        levels=setup.model.tree.levels,
        objective=setup.objective,
        folder=folder,
        callback=callback,
    )
    model = dataclasses.replace(setup.model, weights=engine.weights())
    save_model(folder, model)
    environment = folder.read_json(folder.environment) | _engine_facts(config, engine)
    seconds = sum(record["seconds"] for record in folder.read_history())
    environment |= {"finished": now(), "seconds": round(seconds, 1), "peak_memory_bytes": peak_memory_bytes()}
    write_json(folder.environment, environment)
    evaluate_model(engine, model, setup.splits, folder, decode_kind=config.decode)
    return Run(folder.root)


def _engine_facts(config: RunConfig, engine: Engine) -> dict[str, str]:
    return {"engine": config.engine.kind, "device": engine.device, "precision": engine.precision}


def evaluate(root: Path, *, load: Loader, changes: Mapping[str, object] | None = None) -> Run:
    """Measure a trained run on its test images again, perhaps with another decode or engine; rewrites its metrics.

    Raises: UserError: the run is not finished, or its data set is not here.
    """
    folder = RunFolder(root).checked()
    model = load_model(folder, changes)
    config = model.config
    splits = split(load(config.data), config.data.split, pool=config.data.pool, seed=config.seed)
    evaluate_model(build_engine(model), model, splits, folder, decode_kind=config.decode)
    return Run(root)


def spec_of(config: RunConfig, dataset: Dataset) -> NetSpec:
    """The network for this config on these images."""
    _, channels, height, width = dataset.train.pixels.shape
    tree = dataset.tree
    shape = (channels, height, width)
    return build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes)


def network_json(spec: NetSpec) -> dict[str, Any]:
    """The parameter table."""
    return {
        "input": list(spec.input_shape),
        "layers": [dataclasses.asdict(row) for row in rows(spec)],
        "parameters": num_parameters(spec),
        "multiply_adds": num_multiply_adds(spec),
    }
