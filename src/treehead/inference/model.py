"""A network with all it takes to use it: config, tree, weights, the statistics of its input, temperatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from treehead.config import EngineConfig, RunConfig, changed, read_config
from treehead.engines.api import Engine
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import read_calibration
from treehead.runfiles import RunFolder
from treehead.spec import NetSpec, build_spec
from treehead.training.checkpoint import load_weights, save_weights
from treehead.types import Array, UserError, Weights

if TYPE_CHECKING:
    from treehead.engines.pytorch.engine import PyTorchEngine
    from treehead.engines.scratch.engine import ScratchEngine

MEAN, STD = "input.mean", "input.std"
"""Names under which the statistics of the training pixels travel with the weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Shapes: mean, std: (C,), of training pixels scaled to [0, 1]."""

    config: RunConfig
    tree: LabelTree
    spec: NetSpec
    weights: Weights
    mean: Array
    std: Array
    temperatures: tuple[float, ...]
    """What each head's logits are divided by, leaves first."""


def save_model(folder: RunFolder, model: Model, *, half: bool = False) -> None:
    """Write the weights of a run, with the statistics of its input; `half` stores kernels as 16-bit floats."""
    statistics = {MEAN: model.mean.astype(np.float32), STD: model.std.astype(np.float32)}
    save_weights(folder.weights, model.weights | statistics, half=half)


def load_model(folder: RunFolder, changes: Mapping[str, object] | None = None) -> Model:
    """Read a trained network from its run folder, with `changes` to its config.

    Raises: UserError: a file is missing or damaged, or the files do not fit each other.
    """
    config = changed(read_config(folder.read_text(folder.config)), changes or {})
    tree = LabelTree.from_json(folder.read_json(folder.tree))
    channels, height, width = folder.read_json(folder.network)["input"]
    shape = (channels, height, width)
    spec = build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes)
    weights = load_weights(folder.weights)
    try:
        mean, std = weights.pop(MEAN), weights.pop(STD)
    except KeyError as error:
        raise UserError(f"{folder.weights} is no network of treehead: it lacks {error}") from None
    return Model(config, tree, spec, weights, mean, std, read_calibration(folder, tree.levels).temperatures)


def engine_kind(config: EngineConfig) -> "type[ScratchEngine | PyTorchEngine]":
    """The class of the engine that a config names. torch or Numba is imported here and not before."""
    if config.kind == "scratch":
        from treehead.engines.scratch.engine import ScratchEngine

        return ScratchEngine
    from treehead.engines.pytorch.engine import PyTorchEngine

    return PyTorchEngine


def build_engine(model: Model) -> Engine:
    """This network on the engine that its config names."""
    config = model.config.engine
    return engine_kind(config)(model.spec, model.weights, mean=model.mean, std=model.std, config=config)
