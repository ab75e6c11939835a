"""Read a run folder and check its files against each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.inputs import MOST_CONFIG, parsed_toml, read_text
from treehead.records.agreement import disagreement
from treehead.records.run import Environment, EpochFigures, EpochRecord, LayerRow, Machine, Metrics, Network
from treehead.runfiles import RunFolder
from treehead.types import Array, UserError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """The files of one run, parsed and checked against each other.

    `metrics` is None for an unfinished run, `samples` where the folder keeps no images. `config` is the parsed
    config.toml, without defaults.
    """

    name: str
    config_text: str
    config: dict[str, Any]
    environment: Environment
    tree: LabelTree
    network: Network
    history: list[EpochRecord]
    metrics: Metrics | None
    samples: dict[str, Array] | None

    @property
    def levels(self) -> tuple[str, ...]:
        """The tree's levels, leaves first."""
        return tuple(self.tree.levels)

    @property
    def planned_epochs(self) -> int | None:
        """Number of epochs in the config, where it names one."""
        epochs = self._section("train").get("epochs")
        return epochs if isinstance(epochs, int) else None

    @property
    def split(self) -> str | None:
        """The data split, from the metrics or else from the config."""
        value = self.metrics["split"] if self.metrics else self._section("data").get("split")
        return value if isinstance(value, str) else None

    def confusion(self, level: str) -> Array | None:
        """(K, K) number of images by true class and answer; None where the metrics have no confusion matrices."""
        if self.metrics is None or "confusion" not in self.metrics:
            return None
        return np.array(self.metrics["confusion"][level], dtype=np.int64)

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.config.get(name)
        return section if isinstance(section, Mapping) else {}


def read_run(root: Path) -> RunRecord:
    """Read every file that the report needs.

    Raises: UserError: not a run folder, or one of another version; a file is missing, damaged, or contradicts the
        tree. The message names the file and the fault.
    """
    folder = RunFolder(root).checked()
    config_text, config = _read_config(folder.config)
    tree, environment = _read_tree(folder), _read_environment(folder)
    if environment.get("tree_digest", tree.digest) != tree.digest:
        raise _damaged(folder.tree, "it is not the tree that the run was trained with")
    return RunRecord(
        name=str(config.get("name") or root.resolve().name),
        config_text=config_text,
        config=config,
        environment=environment,
        tree=tree,
        network=_read_network(folder),
        history=_read_history(folder, tree.levels),
        metrics=_read_metrics(folder, tree) if folder.metrics.exists() else None,
        samples=_read_samples(folder, tree) if folder.samples.exists() else None,
    )


def _damaged(path: Path, reason: object) -> UserError:
    evaluated = path.name in ("metrics.json", "samples.npz")
    way_out = f"run `treehead evaluate {path.parent}` to write it again" if evaluated else "restore it or train again"
    return UserError(f"{path} is damaged ({reason}); {way_out}")


def _object(path: Path, value: object, keys: Iterable[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _damaged(path, f"expected an object, found {type(value).__name__}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise _damaged(path, f"key {missing[0]!r} is missing")
    return value


def _record(path: Path, value: object, kind: type[T]) -> T:
    """`value`, if it agrees with the TypedDict `kind`."""
    if wrong := disagreement(value, kind):
        raise _damaged(path, wrong)
    return cast("T", value)


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = read_text(path, most=MOST_CONFIG)
        return text, parsed_toml(text)
    except FileNotFoundError:
        raise UserError(f"{path.parent} is not a complete run folder: {path.name} is missing") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except UserError:
        raise
    except ValueError as error:
        raise _damaged(path, error) from None


def _read_tree(folder: RunFolder) -> LabelTree:
    value = folder.read_tree()
    try:
        return LabelTree.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(folder.tree, error) from None


def _read_environment(folder: RunFolder) -> Environment:
    environment = _record(folder.environment, folder.read_json(folder.environment), Environment)
    _record(folder.environment, environment["machine"], Machine)
    return environment


def _read_network(folder: RunFolder) -> Network:
    network = _record(folder.network, folder.read_json(folder.network), Network)
    if not isinstance(network["layers"], list):
        raise _damaged(folder.network, "'layers' is not a list")
    for layer in network["layers"]:
        _record(folder.network, layer, LayerRow)
    return network


def _read_history(folder: RunFolder, levels: Sequence[str]) -> list[EpochRecord]:
    path, records = folder.history, folder.read_history()
    for record in records:
        _record(path, record, EpochRecord)
        for part in (record["train"], record["validation"]):
            figures = _record(path, part, EpochFigures)
            _object(path, figures["losses"], levels)
            _object(path, figures["accuracy"], levels)
    return records


def _read_metrics(folder: RunFolder, tree: LabelTree) -> Metrics:
    path = folder.metrics
    metrics = _record(path, _upgraded(folder.read_json(path)), Metrics)
    if list(metrics["levels"]) != list(tree.levels):
        raise _damaged(path, f"its levels {metrics['levels']} are not the tree's levels {list(tree.levels)}")
    if len(metrics["severity_counts"]) != len(tree.levels) + 1:
        raise _damaged(path, f"{len(metrics['severity_counts'])} severities for {len(tree.levels)} levels")
    _object(path, metrics["accuracy"], tree.levels)
    if "confusion" not in metrics and folder.predictions.exists():
        metrics["confusion"] = _counted(folder, tree)
    if "confusion" in metrics:
        _object(path, metrics["confusion"], tree.levels)
        for level, size in zip(tree.levels, tree.sizes, strict=True):
            shape = _shape(metrics["confusion"][level])
            if shape != (size, size):
                raise _damaged(path, f"the {level} confusion matrix is {shape}, the tree has {size} classes")
    return metrics


def _upgraded(value: Any) -> Any:
    """Metrics of an earlier version, which had a temperature per head: without weights, and without guarantees."""
    if not isinstance(value, dict) or "guarantees" in value or "temperature" not in value.get("calibration", ()):
        return value
    calibration = {"before": value["calibration"]["before"], "after": value["calibration"]["after"]}
    without = {"weights": {}, "images": value["calibration"]["images"], "source": "measured by an earlier version"}
    return value | {"calibration": calibration | without, "guarantees": {"risk_control": [], "sets": []}}


def _counted(folder: RunFolder, tree: LabelTree) -> dict[str, list[list[int]]]:
    """The confusion matrices, counted from predictions.npz: a published run keeps them there alone."""
    stored = _object(folder.predictions, folder.read_arrays(folder.predictions), ("labels", "answers"))
    counted = {}
    for column, (level, size) in enumerate(zip(tree.levels, tree.sizes, strict=True)):
        known = stored["labels"][:, column] >= 0
        labels, answers = (stored[name][known, column].astype(np.int64) for name in ("labels", "answers"))
        counted[level] = np.bincount(labels * size + answers, minlength=size * size).reshape(size, size).tolist()
    return counted


def _shape(value: object) -> tuple[int, ...] | None:
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        return None
    return array.shape if array.dtype.kind in "iuf" else None


def _read_samples(folder: RunFolder, tree: LabelTree) -> dict[str, Array]:
    path = folder.samples
    samples = _object(path, folder.read_arrays(path), ("pixels", "labels", "answers"))
    number = len(samples["pixels"])
    if samples["pixels"].ndim != 4 or samples["pixels"].dtype != np.uint8:
        raise _damaged(path, f"pixels are {samples['pixels'].dtype} {samples['pixels'].shape}")
    for name in ("labels", "answers"):
        if samples[name].shape != (number, len(tree.levels)):
            raise _damaged(path, f"{name} are {samples[name].shape} for {number} images")
    return samples
