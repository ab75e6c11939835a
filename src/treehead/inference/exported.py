"""Write a model as one ONNX or safetensors file, and read such files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

from treehead.config import RunConfig, changed, read_config, write_config
from treehead.engines.weights import check_weights, weight_shapes
from treehead.export.safetensors import read_safetensors, safetensors_model
from treehead.extras import require
from treehead.hierarchy.tree import LabelTree
from treehead.inference.model import MEAN, STD, Model, input_statistics_of
from treehead.inputs import cut, parsed_json, printable, shown_path
from treehead.posterior.held_out import Calibration, from_json, to_json
from treehead.runfiles import written_whole
from treehead.spec import build_spec
from treehead.types import RunError, UserError

Kind: TypeAlias = Literal["onnx", "safetensors"]

FORMAT = "2"
"""Version of the metadata. Files of version 1, with a temperature per head, are read; of others refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Metadata:
    """What an exported file holds beside its weights."""

    config: RunConfig
    tree: LabelTree
    input_shape: tuple[int, int, int]
    calibration: Calibration


def export_model(model: Model, path: Path, *, kind: Kind, metrics: Mapping[str, Any], replace: bool = False) -> None:
    """Write a model as one file, completely or not at all.

    Conventions: weights are float32, and the predictions are those of the run. The metadata includes `metrics` without
        the confusion matrices, and leaves out where this machine keeps the data set.
    Raises: UserError: the file exists and `replace` is false, or the extra `onnx` is missing; RunError: it cannot be
        written.
    """
    if path.exists() and not replace:
        raise UserError(f"{path} already exists; --force overwrites it, --out names another file")
    metadata = _metadata(model, metrics)
    if kind == "onnx":
        require("onnx")
        from treehead.export.onnx import Decoding, onnx_model

        data = onnx_model(
            model.spec,
            model.weights,
            Decoding(model.tree, model.calibration.weights, model.config.decode),
            mean=model.mean,
            std=model.std,
            metadata=metadata,
        )
    else:
        data = safetensors_model(model.weights | {MEAN: model.mean, STD: model.std}, metadata)
    try:
        with written_whole(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _metadata(model: Model, metrics: Mapping[str, Any]) -> dict[str, str]:
    config = changed(model.config, {"data.root": None, "data.cache": None})
    kept = {name: value for name, value in metrics.items() if name != "confusion"}
    return {
        "treehead": version("treehead"),
        "format": FORMAT,
        "config": write_config(config),
        "tree": json.dumps(model.tree.to_json(), ensure_ascii=False),
        "input_shape": json.dumps(model.spec.input_shape),
        "calibration": json.dumps(to_json(model.calibration, model.tree), ensure_ascii=False),
        "metrics": json.dumps(kept, ensure_ascii=False),
    }


def read_metadata(path: Path, metadata: dict[str, str]) -> Metadata:
    """Parse the metadata of an exported file.

    Raises: UserError: the file was not exported by treehead, or has another format version.
    """
    if "format" not in metadata or "tree" not in metadata:
        raise UserError(f"{path} was not exported by treehead; use a run folder, or see `treehead export --help`")
    if metadata["format"] not in ("1", FORMAT):
        raise UserError(
            f"{path} has export format {shown_path(metadata['format'])}, but this version of treehead reads formats 1 "
            f"and {FORMAT}; use treehead {shown_path(metadata.get('treehead', 'of the version that wrote it'))}"
        )
    try:
        channels, height, width = map(int, parsed_json(metadata["input_shape"]))
        config, tree = read_config(metadata["config"]), LabelTree.from_json(parsed_json(metadata["tree"]))
        calibration = from_json(_calibration(metadata, tree), tree)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, UserError) as error:
        raise UserError(f"{path} is damaged: {cut(printable(str(error)))}") from None
    return Metadata(config, tree, (channels, height, width), calibration)


def _calibration(metadata: Mapping[str, str], tree: LabelTree) -> Any:
    """The content of calibration.json; format 1 has a temperature per head, leaves first."""
    if metadata["format"] == FORMAT:
        return parsed_json(metadata["calibration"])
    temperatures = [float(temperature) for temperature in parsed_json(metadata["temperatures"])]
    fitted = any(temperature != 1 for temperature in temperatures)
    return {"temperature": dict(zip(tree.levels, temperatures, strict=True)), "images": int(fitted), "reason": None}


def read_exported(path: Path) -> Model:
    """The model in a safetensors file.

    Raises: UserError: the file is missing or damaged, was not exported by treehead, or has another format version.
    """
    weights, text = read_safetensors(path)
    metadata = read_metadata(path, text)
    config, tree, input_shape = metadata.config, metadata.tree, metadata.input_shape
    spec = build_spec(config.network, input_shape=input_shape, levels=tree.levels, sizes=tree.sizes)
    mean, std = input_statistics_of(path, weights, input_shape[0])
    check_weights(weights, weight_shapes(spec))
    return Model(config, tree, spec, weights, mean, std, metadata.calibration)


def exported_metrics(path: Path) -> dict[str, Any]:
    """The metrics in the metadata of a safetensors file; {} if there are none."""
    try:
        metrics = parsed_json(read_safetensors(path)[1].get("metrics", "{}"))
    except ValueError as error:
        raise UserError(f"{path} is damaged: {cut(printable(str(error)))}") from None
    return metrics if isinstance(metrics, dict) else {}
