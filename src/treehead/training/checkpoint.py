"""Checkpoints: weights, optimizer state, and the number of finished epochs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from treehead.runfiles import written_whole
from treehead.types import UserError, Weights


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after `epoch` finished epochs."""

    epoch: int
    weights: Weights
    optimizer: Weights


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically; an existing checkpoint is replaced."""
    arrays = {f"weights.{name}": value for name, value in checkpoint.weights.items()}
    arrays |= {f"optimizer.{name}": value for name, value in checkpoint.optimizer.items()}
    _save(path, arrays, {"epoch": str(checkpoint.epoch)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises: UserError: missing, damaged, or not a checkpoint of treehead."""
    arrays, metadata = _load(path)
    if "epoch" not in metadata:
        raise UserError(f"{path} is not a checkpoint of treehead: it has no epoch")
    parts: dict[str, Weights] = {"weights": {}, "optimizer": {}}
    for key, value in arrays.items():
        part, name = key.split(".", 1)
        parts[part][name] = value
    return Checkpoint(int(metadata["epoch"]), parts["weights"], parts["optimizer"])


def save_weights(path: Path, weights: Weights, *, half: bool = False) -> None:
    """Write a network's weights as safetensors; `half` stores kernels (2 axes and more) as 16-bit floats."""
    stored = {
        name: value.astype(np.float16 if half and value.ndim > 1 else np.float32) for name, value in weights.items()
    }
    _save(path, stored, {})


def load_weights(path: Path) -> Weights:
    """Weights as float32.

    Raises: UserError: missing or damaged.
    """
    return {name: value.astype(np.float32) for name, value in _load(path)[0].items()}


def _save(path: Path, arrays: Weights, metadata: dict[str, str]) -> None:
    with written_whole(path) as temporary:
        temporary.write_bytes(save(arrays, metadata))


def _load(path: Path) -> tuple[Weights, dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{path.parent} has no {path.name}: the run is not finished") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
