"""A trained network as one safetensors file: weights, and in its metadata all else it takes to use them."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from treehead.types import UserError, Weights


def safetensors_model(weights: Weights, about: dict[str, str]) -> bytes:
    """Shapes: weights of any shape, written as float32. `about` becomes the file's metadata."""
    return save({name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}, about)


def read_safetensors(path: Path) -> tuple[Weights, dict[str, str]]:
    """Weights and metadata of such a file.

    Raises: UserError: it is missing, damaged or no safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"there is no model at {path}") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
