"""Checkpoints: weights, optimizer state, the number of finished epochs, and digests of all that they belong to.

A digest of the arrays and of the other entries of the header is in the header of every file that is written here, so
that a damaged or edited file is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from treehead.inputs import check_regular, cut, parsed_json, printable
from treehead.runfiles import written_whole
from treehead.types import UserError, Weights

HEADER, DIGEST = "treehead", "digest"
"""The one entry of a file's header, as JSON, and its key with the digest of everything else in the file.

One entry, since safetensors writes several in any order, and the same state should be the same bytes.
"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after `epoch` finished epochs. belongs_to: what it must be resumed with, as text by name."""

    epoch: int
    weights: Weights
    optimizer: Weights
    belongs_to: Mapping[str, str] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically; an existing checkpoint is replaced."""
    arrays = {f"weights.{name}": value for name, value in checkpoint.weights.items()}
    arrays |= {f"optimizer.{name}": value for name, value in checkpoint.optimizer.items()}
    _save(path, arrays, {**checkpoint.belongs_to, "epoch": str(checkpoint.epoch)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises: UserError: missing, damaged, edited, or not a checkpoint of treehead."""
    arrays, header = _load(path)
    if "epoch" not in header:
        raise UserError(f"{path} is not a checkpoint of treehead: it has no epoch")
    if DIGEST not in header:
        raise UserError(
            f"{path} has no digest of its content, as an earlier version of treehead left it; finish the run with that "
            "version, or train again"
        )
    parts: dict[str, Weights] = {"weights": {}, "optimizer": {}}
    for key, value in arrays.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    belongs_to = {name: value for name, value in header.items() if name not in ("epoch", DIGEST)}
    return Checkpoint(int(header["epoch"]), parts["weights"], parts["optimizer"], belongs_to)


def save_weights(
    path: Path, weights: Weights, *, half: bool = False, belongs_to: Mapping[str, str] | None = None
) -> None:
    """Write a network's weights as safetensors; `half` stores kernels (2 axes and more) as 16-bit floats."""
    stored = {
        name: value.astype(np.float16 if half and value.ndim > 1 else np.float32) for name, value in weights.items()
    }
    _save(path, stored, belongs_to or {})


def load_weights(path: Path) -> Weights:
    """Weights as float32.

    Raises: UserError: missing, damaged or edited.
    """
    return read_weights(path)[0]


def read_weights(path: Path) -> tuple[Weights, dict[str, str]]:
    """Weights as float32, and what the file says that they belong to.

    Raises: UserError: missing, damaged or edited.
    """
    arrays, header = _load(path)
    return {name: value.astype(np.float32) for name, value in arrays.items()}, header


def _save(path: Path, arrays: Weights, header: Mapping[str, str]) -> None:
    whole = json.dumps({**header, DIGEST: _digest(arrays, header)}, sort_keys=True)
    with written_whole(path) as temporary:
        temporary.write_bytes(save(arrays, {HEADER: whole}))


def _load(path: Path) -> tuple[Weights, dict[str, str]]:
    try:
        check_regular(path)
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = _header(file.metadata() or {})
    except FileNotFoundError:
        raise UserError(f"{path.parent} has no {path.name}: the run is not finished") from None
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise UserError(f"cannot read {path}: {cut(printable(str(error)))}") from None
    rest = {name: value for name, value in header.items() if name != DIGEST}
    if DIGEST in header and header[DIGEST] != _digest(arrays, rest):
        raise UserError(f"{path} was damaged or edited after it was written; restore it, or train again")
    return arrays, header


def _header(metadata: dict[str, str]) -> dict[str, str]:
    """The entries of a header: of our one entry, or as an earlier version wrote them.

    Raises: ValueError: there are others beside our one, or it is no JSON object of text.
    """
    if HEADER not in metadata:
        return metadata
    header = parsed_json(metadata[HEADER])
    if len(metadata) > 1 or not isinstance(header, dict) or not all(isinstance(text, str) for text in header.values()):
        raise ValueError("its header was edited")
    return header


def _digest(arrays: Weights, header: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(header):
        digest.update(f"{name}={len(header[name])}:{header[name]}\n".encode())
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{value.dtype}{value.shape}\n".encode())
        digest.update(value.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
