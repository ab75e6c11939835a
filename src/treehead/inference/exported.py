"""A model on its way out of its run folder, as one file, and back in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from treehead.config import RunConfig, changed, read_config, write_config
from treehead.engines.weights import check_weights, initial_weights
from treehead.export.safetensors import read_safetensors, safetensors_model
from treehead.hierarchy.tree import LabelTree
from treehead.inference.model import MEAN, STD, Model
from treehead.runfiles import written_whole
from treehead.spec import build_spec
from treehead.types import RunError, UserError

Kind: TypeAlias = Literal["onnx", "safetensors"]

FORMAT = "1"
"""Version of the metadata. A file of another version is refused, not guessed at."""


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """What an exported file says of itself beside its weights."""

    config: RunConfig
    tree: LabelTree
    input_shape: tuple[int, int, int]
    temperatures: tuple[float, ...]


def export_model(model: Model, path: Path, *, kind: Kind, metrics: Mapping[str, Any], replace: bool = False) -> None:
    """Write a model as one file, whole or not at all.

    Conventions: weights are float32 and the answers those of the run. `metrics` go into the metadata, without the
        confusion matrices; the places of the data set and of its cache on this machine do not.
    Raises: UserError: the file is there already and may not be replaced, or the extra `onnx` is missing;
        RunError: it cannot be written.
    """
    if path.exists() and not replace:
        raise UserError(f"{path} is there already; --force replaces it, --out names another file")
    about = _about(model, metrics)
    if kind == "onnx":
        require("onnx", "writing ONNX")
        from treehead.export.onnx import onnx_model

        parts = {"tree": model.tree, "mean": model.mean, "std": model.std, "temperatures": model.temperatures}
        data = onnx_model(model.spec, model.weights, about=about, **parts)
    else:
        data = safetensors_model(model.weights | {MEAN: model.mean, STD: model.std}, about)
    try:
        with written_whole(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _about(model: Model, metrics: Mapping[str, Any]) -> dict[str, str]:
    config = changed(model.config, {"data.root": None, "data.cache": None})
    kept = {name: value for name, value in metrics.items() if name != "confusion"}
    return {
        "treehead": version("treehead"),
        "format": FORMAT,
        "config": write_config(config),
        "tree": json.dumps(model.tree.to_json(), ensure_ascii=False),
        "input_shape": json.dumps(model.spec.input_shape),
        "temperatures": json.dumps(model.temperatures),
        "metrics": json.dumps(kept, ensure_ascii=False),
    }


def read_about(path: Path, given: dict[str, str]) -> About:
    """Parse an exported file's metadata.

    Raises: UserError: it is no file that treehead exported, or of another version.
    """
    if "format" not in given or "tree" not in given:
        raise UserError(f"{path} is no model that treehead exported; name a run folder, or see `treehead export`")
    if given["format"] != FORMAT:
        raise UserError(
            f"{path} is of export format {given['format']}, this treehead reads format {FORMAT}; use treehead "
            f"{given.get('treehead', 'of the version that wrote it')}"
        )
    try:
        channels, height, width = map(int, json.loads(given["input_shape"]))
        temperatures = tuple(map(float, json.loads(given["temperatures"])))
        config, tree = read_config(given["config"]), LabelTree.from_json(json.loads(given["tree"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    return About(config, tree, (channels, height, width), temperatures)


def read_exported(path: Path) -> Model:
    """A model from its safetensors file.

    Raises: UserError: missing, damaged, not one of treehead's, or of another version.
    """
    weights, given = read_safetensors(path)
    about = read_about(path, given)
    tree = about.tree
    spec = build_spec(about.config.network, input_shape=about.input_shape, levels=tree.levels, sizes=tree.sizes)
    if missing := {MEAN, STD} - weights.keys():
        raise UserError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}")
    mean, std = (weights.pop(name).astype(np.float32) for name in (MEAN, STD))
    check_weights(weights, initial_weights(spec, seed=0))
    return Model(about.config, tree, spec, weights, mean, std, about.temperatures)


def exported_metrics(path: Path) -> dict[str, Any]:
    """The figures an exported safetensors file was given; {} where it has none."""
    return json.loads(read_safetensors(path)[1].get("metrics", "{}"))


def require(module: Literal["onnx", "onnxruntime", "pyarrow"], what: str) -> None:
    """Raises: UserError: the extra that `what` needs is not installed."""
    extra = "parquet" if module == "pyarrow" else "onnx"
    if find_spec(module) is None:
        raise UserError(f"{what} needs {module}: pip install 'treehead[{extra}]'")
