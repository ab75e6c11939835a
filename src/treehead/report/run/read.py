"""One run folder, read and checked: all that a report may know of a run."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.runfiles import RunFolder
from treehead.types import Array, UserError

ENVIRONMENT = ("treehead", "started", "machine", "versions", "engine", "device", "precision")
NETWORK = ("input", "layers", "parameters", "multiply_adds")
LAYER = ("name", "kind", "output", "parameters", "multiply_adds")
EPOCH = ("epoch", "train", "validation")
METRICS = ("tree", "levels", "decode", "split", "images", "accuracy", "severity_counts", "confusion")
SAMPLES = ("pixels", "labels", "answers")


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """The files of one run, parsed and found to agree with each other.

    `metrics` is None for a run that is not finished, `samples` where images were left out. The dictionaries
    have the keys that `runfiles` and the rooms that write them describe; fractions are in [0, 1].
    """

    name: str
    config_text: str
    config: dict[str, Any]
    environment: dict[str, Any]
    tree: LabelTree
    network: dict[str, Any]
    history: list[dict[str, Any]]
    metrics: dict[str, Any] | None
    samples: dict[str, Array] | None

    @property
    def levels(self) -> tuple[str, ...]:
        """The tree's levels, leaves first."""
        return tuple(self.tree.levels)

    @property
    def planned_epochs(self) -> int | None:
        """How many epochs the config asked for, where it says so."""
        epochs = self._section("train").get("epochs")
        return epochs if isinstance(epochs, int) else None

    @property
    def split(self) -> str | None:
        """Which images were trained on: the metrics' word for it, else the config's."""
        found = self.metrics["split"] if self.metrics else self._section("data").get("split")
        return found if isinstance(found, str) else None

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.config.get(name)
        return section if isinstance(section, Mapping) else {}


def read_run(root: Path) -> RunRecord:
    """Read every file a report is drawn from.

    Raises:
        UserError: no run folder, or one of another version; a file that is missing, damaged, or at odds with
            the tree beside it. The message names the file and what is wrong with it.
    """
    folder = RunFolder(root).checked()
    config_text, config = _read_config(folder.config)
    tree = _read_tree(folder)
    return RunRecord(
        name=str(config.get("name") or root.resolve().name),
        config_text=config_text,
        config=config,
        environment=_object(folder.environment, folder.read_json(folder.environment), ENVIRONMENT),
        tree=tree,
        network=_read_network(folder),
        history=_read_history(folder, tree.levels),
        metrics=_read_metrics(folder, tree) if folder.metrics.exists() else None,
        samples=_read_samples(folder, tree) if folder.samples.exists() else None,
    )


def _damaged(path: Path, reason: object) -> UserError:
    return UserError(f"{path} is damaged ({reason}); run the step that writes it again")


def _object(path: Path, value: object, keys: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _damaged(path, f"expected an object, found {type(value).__name__}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise _damaged(path, f"it has no {missing[0]!r}")
    return value


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(f"{path.parent} holds no {path.name}: it is no complete run folder") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise _damaged(path, error) from None


def _read_tree(folder: RunFolder) -> LabelTree:
    value = folder.read_tree()
    try:
        return LabelTree.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(folder.tree, error) from None


def _read_network(folder: RunFolder) -> dict[str, Any]:
    network = _object(folder.network, folder.read_json(folder.network), NETWORK)
    if not isinstance(network["layers"], list):
        raise _damaged(folder.network, "'layers' is no list")
    for layer in network["layers"]:
        _object(folder.network, layer, LAYER)
    return network


def _read_history(folder: RunFolder, levels: Sequence[str]) -> list[dict[str, Any]]:
    records = folder.read_history()
    for record in records:
        _object(folder.history, record, EPOCH)
        for part in ("train", "validation"):
            figures = _object(folder.history, record[part], ("losses", "accuracy"))
            _object(folder.history, figures["losses"], levels)
            _object(folder.history, figures["accuracy"], levels)
    return records


def _read_metrics(folder: RunFolder, tree: LabelTree) -> dict[str, Any]:
    path = folder.metrics
    metrics = _object(path, folder.read_json(path), METRICS)
    if list(metrics["levels"]) != list(tree.levels):
        raise _damaged(path, f"its levels {metrics['levels']} are not the tree's, {list(tree.levels)}")
    if len(metrics["severity_counts"]) != len(tree.levels) + 1:
        raise _damaged(path, f"{len(metrics['severity_counts'])} severities for {len(tree.levels)} levels")
    _object(path, metrics["accuracy"], tree.levels)
    _object(path, metrics["confusion"], tree.levels)
    for level, size in zip(tree.levels, tree.sizes, strict=True):
        found = _shape(metrics["confusion"][level])
        if found != (size, size):
            raise _damaged(path, f"the {level} confusion matrix is {found}, the tree has {size} classes")
    return metrics


def _shape(value: object) -> tuple[int, ...] | None:
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        return None
    return array.shape if array.dtype.kind in "iuf" else None


def _read_samples(folder: RunFolder, tree: LabelTree) -> dict[str, Array]:
    path = folder.samples
    samples = _object(path, folder.read_arrays(path), SAMPLES)
    number = len(samples["pixels"])
    if samples["pixels"].ndim != 4 or samples["pixels"].dtype != np.uint8:
        raise _damaged(path, f"pixels are {samples['pixels'].dtype} {samples['pixels'].shape}")
    for name in ("labels", "answers"):
        if samples[name].shape != (number, len(tree.levels)):
            raise _damaged(path, f"{name} are {samples[name].shape} for {number} images")
    return samples
