"""A trained network with everything that inference needs: config, tree, weights, input statistics, calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from treehead.config import EngineConfig, RunConfig, changed, read_config
from treehead.engines.api import Engine
from treehead.engines.weights import check_weights, weight_shapes
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import read_calibration, usable_calibration
from treehead.posterior.held_out import Calibration
from treehead.runfiles import RunFolder
from treehead.spec import NetSpec, build_spec
from treehead.training.checkpoint import read_weights, save_weights
from treehead.types import Array, UserError, Weights

if TYPE_CHECKING:
    from treehead.engines.pytorch.engine import PyTorchEngine
    from treehead.engines.scratch.engine import ScratchEngine

MEAN, STD = "input.mean", "input.std"
"""Names of the input statistics in the weights file."""
TREE = "tree"
"""Entry of the weights file's header: the digest of the label tree that the network was trained with."""


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
    save_weights(folder.weights, model.weights | statistics, half=half, belongs_to={TREE: model.tree.digest})


def load_model(folder: RunFolder, changes: Mapping[str, object] | None = None, *, refit: bool = False) -> Model:
    """Read the model in a run folder, with `changes` to its config.

    Conventions: with `refit`, a calibration that cannot be used is replaced by none, since it will be fitted anew.
    Raises: UserError: a file is missing or damaged, or the files do not fit each other.
    """
    config = changed(read_config(folder.read_text(folder.config)), changes or {})
    tree = LabelTree.from_json(folder.read_tree())
    shape = _input_shape(folder)
    spec = build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes)
    weights, belongs_to = read_weights(folder.weights)
    if belongs_to.get(TREE, tree.digest) != tree.digest:
        raise UserError(
            f"{folder.weights} was trained with another label tree than {folder.tree.name} has now; restore that file"
        )
    mean, std = input_statistics_of(folder.weights, weights, shape[0])
    check_weights(weights, weight_shapes(spec))
    calibration = (usable_calibration if refit else read_calibration)(folder, tree)
    return Model(config, tree, spec, weights, mean, std, calibration)


def _input_shape(folder: RunFolder) -> tuple[int, int, int]:
    value = folder.read_json(folder.network)
    shape = value.get("input") if isinstance(value, dict) else None
    if not isinstance(shape, list) or len(shape) != 3 or not all(type(size) is int for size in shape):
        raise UserError(f"{folder.network} is damaged: it has no input shape; restore it, or train again")
    channels, height, width = shape
    return channels, height, width


def input_statistics_of(path: Path, weights: Weights, channels: int) -> tuple[Array, Array]:
    """Mean and deviation of the input, taken out of `weights`.

    Raises: UserError: they are missing, or are not numbers that an image can be standardised with.
    """
    if missing := {MEAN, STD} - weights.keys():
        raise UserError(f"{path} is damaged: {', '.join(sorted(missing))} is missing")
    mean, std = (weights.pop(name).astype(np.float32) for name in (MEAN, STD))
    finite = mean.shape == std.shape == (channels,) and bool(np.isfinite(mean).all() and np.isfinite(std).all())
    if not finite or not (std > 0).all():
        raise UserError(f"{path} is damaged: {MEAN} and {STD} need a number per channel, the deviation above 0")
    return mean, std


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
