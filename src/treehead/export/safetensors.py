"""A trained network as one safetensors file: weights, and metadata with everything else that inference needs."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from treehead.inputs import check_regular, cut, printable, shown_path
from treehead.types import UserError, Weights


def safetensors_model(weights: Weights, metadata: dict[str, str]) -> bytes:
    """The content of a safetensors file with float32 weights."""
    return save({name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}, metadata)


def read_safetensors(path: Path) -> tuple[Weights, dict[str, str]]:
    """The weights and the metadata of a safetensors file.

    Raises: UserError: the file is missing, damaged or not a safetensors file.
    """
    try:
        check_regular(path)
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"there is no model at {path}") from None
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise UserError(f"cannot read {shown_path(path)}: {cut(printable(str(error)))}") from None
