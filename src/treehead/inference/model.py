"""A trained network with everything that inference needs: config, tree, weights, input statistics, calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from treehead.config import EngineConfig, RunConfig, changed, read_config
from treehead.engines.api import Engine
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import read_calibration
from treehead.posterior.held_out import Calibration
from treehead.runfiles import RunFolder
from treehead.spec import NetSpec, build_spec
from treehead.training.checkpoint import load_weights, save_weights
from treehead.types import Array, UserError, Weights

if TYPE_CHECKING:
    from treehead.engines.pytorch.engine import PyTorchEngine
    from treehead.engines.scratch.engine import ScratchEngine

MEAN, STD = "input.mean", "input.std"
"""Names of the input statistics in the weights file."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained network.

    Shapes: mean, std: (C,), of training pixels scaled to [0, 1].
    """

    config: RunConfig
    tree: LabelTree
    spec: NetSpec
    weights: Weights
    mean: Array
    std: Array
    calibration: Calibration
    """How the heads are pooled into one posterior."""


def save_model(folder: RunFolder, model: Model, *, half: bool = False) -> None:
    """Write the weights and the input statistics of a run; `half` stores kernels as 16-bit floats."""
    statistics = {MEAN: model.mean.astype(np.float32), STD: model.std.astype(np.float32)}
    save_weights(folder.weights, model.weights | statistics, half=half)


def load_model(folder: RunFolder, changes: Mapping[str, object] | None = None) -> Model:
    """Read the model in a run folder, with `changes` to its config.

    Raises: UserError: a file is missing or damaged, or the files do not fit each other.
    """
    config = changed(read_config(folder.read_text(folder.config)), changes or {})
    tree = LabelTree.from_json(folder.read_tree())
    channels, height, width = folder.read_json(folder.network)["input"]
    shape = (channels, height, width)
    spec = build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes)
    weights = load_weights(folder.weights)
    try:
        mean, std = weights.pop(MEAN), weights.pop(STD)
    except KeyError as error:
        raise UserError(f"{folder.weights} is not a treehead weights file: {error} is missing") from None
    return Model(config, tree, spec, weights, mean, std, read_calibration(folder, tree))


def engine_kind(config: EngineConfig) -> "type[ScratchEngine | PyTorchEngine]":
    """The engine class that a config names; imports torch or Numba."""
    if config.kind == "scratch":
        from treehead.engines.scratch.engine import ScratchEngine

        return ScratchEngine
    from treehead.engines.pytorch.engine import PyTorchEngine

    return PyTorchEngine


def build_engine(model: Model) -> Engine:
    """This network on the engine that its config names."""
    config = model.config.engine
    return engine_kind(config)(model.spec, model.weights, mean=model.mean, std=model.std, config=config)
