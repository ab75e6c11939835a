"""One run, from its config to its finished folder."""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from treehead.config import RunConfig, read_config, write_config
from treehead.data import cifar100
from treehead.data.dataset import Dataset, Splits, channel_statistics, split
from treehead.engines.api import Engine, Objective
from treehead.engines.weights import initial_weights
from treehead.experiment.environment import describe_environment, now, peak_memory_bytes
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.hierarchy.targets import smoothed_targets
from treehead.hierarchy.tree import LabelTree
from treehead.runfiles import RunFolder, write_json, write_text
from treehead.spec import NetSpec, build_spec, num_multiply_adds, num_parameters, rows
from treehead.train.checkpoint import save_weights
from treehead.train.loop import Watcher, fit
from treehead.train.schedule import learning_rates
from treehead.types import UserError


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    folder: RunFolder


def start(config: RunConfig, root: Path, watcher: Watcher) -> Run:
    """Begin a new run in the folder `root` and train it to the end.

    Raises: UserError: the folder holds a run already; RunError: the training failed.
    """
    folder = RunFolder(root)
    if folder.environment.exists():
        raise UserError(f"{root} holds a run already; go on with `treehead resume {root}` or name another folder")
    dataset = load_data(config)
    spec = spec_of(config, dataset)
    write_text(folder.config, write_config(config))
    write_json(folder.tree, dataset.tree.to_json())
    write_json(folder.network, network_json(spec))
    write_json(folder.environment, describe_environment())
    return _train(config, dataset, folder, watcher)


def resume(root: Path, watcher: Watcher) -> Run:
    """Go on where the run in `root` stopped; a finished one is left as it is."""
    folder = RunFolder(root).checked()
    config = read_config(folder.config.read_text(encoding="utf-8"))
    return _train(config, load_data(config), folder, watcher)


def _train(config: RunConfig, dataset: Dataset, folder: RunFolder, watcher: Watcher) -> Run:
    splits = split(dataset, config.data.split, pool=config.data.pool, seed=config.seed)
    objective = objective_of(config, dataset.tree)
    engine = build_engine(config, spec_of(config, dataset), splits, objective)
    environment = folder.read_json(folder.environment)
    environment |= {"engine": config.engine.kind, "device": engine.device, "precision": engine.precision}
    started = time.perf_counter()
    steps = max(1, len(splits.train) // config.train.batch_size)
    rates = learning_rates(config.schedule, peak=config.optimizer.learning_rate, num_steps=steps * config.train.epochs)
    fit(
        engine,
        splits,
        levels=dataset.tree.levels,
        objective=objective,
        rates=rates,
        train=config.train,
        augment=config.augment,
        seed=config.seed,
        folder=folder,
        watcher=watcher,
    )
    save_weights(folder.weights, engine.weights())
    environment |= {
        "finished": now(),
        "seconds": round((environment["seconds"] or 0) + time.perf_counter() - started, 1),
        "peak_memory_bytes": peak_memory_bytes(),
    }
    write_json(folder.environment, environment)
    return Run(folder)


def load_data(config: RunConfig) -> Dataset:
    """The images and the tree that the config names."""
    assert config.data.root is not None
    return cifar100.read(config.data.root, cifar100_tree(config.data.tree))


def spec_of(config: RunConfig, dataset: Dataset) -> NetSpec:
    """The network for this config on these images."""
    _, channels, height, width = dataset.train.pixels.shape
    return build_spec(
        config.network,
        input_shape=(channels, height, width),
        levels=dataset.tree.levels,
        sizes=dataset.tree.sizes,
    )


def objective_of(config: RunConfig, tree: LabelTree) -> Objective:
    """The training loss as arrays."""
    given = config.loss.level_weights
    weights = [given[min(level, len(given) - 1)] for level in range(len(tree.levels))]
    targets = tuple(smoothed_targets(size, config.loss.label_smoothing) for size in tree.sizes)
    return Objective(targets, np.array(weights))


def build_engine(config: RunConfig, spec: NetSpec, splits: Splits, objective: Objective) -> Engine:
    """The engine the config asks for, with first weights; torch is imported here and not before."""
    from treehead.engines.pytorch.engine import PyTorchEngine

    mean, std = channel_statistics(splits.train.pixels)
    return PyTorchEngine(
        spec,
        initial_weights(spec, seed=config.seed),
        mean=mean,
        std=std,
        objective=objective,
        optimizer=config.optimizer,
        config=config.engine,
    )


def network_json(spec: NetSpec) -> dict[str, Any]:
    """The parameter table."""
    return {
        "input": list(spec.input_shape),
        "layers": [dataclasses.asdict(row) for row in rows(spec)],
        "parameters": num_parameters(spec),
        "multiply_adds": num_multiply_adds(spec),
    }
