"""A made-up but plausible run folder, for everything that reads one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import NO_IMAGES
from treehead.posterior.held_out import uncalibrated
from treehead.records.run import Environment, EpochFigures, EpochRecord, LayerRow, Metrics, Network
from treehead.run.evaluation import measure
from treehead.runfiles import RunFolder, write_arrays, write_json, write_text
from treehead.types import Array

MakeRun = Callable[..., Path]
BuiltOnce = Callable[[str, Callable[[Path], object]], Path]

CONFIG = 'name = "{name}"\nrecipe = "shapes"\nseed = 0\n\n[data]\nsplit = "official"\n\n[train]\nepochs = {epochs}\n'


def small_tree(first: str = "leaf_0") -> dict[str, Any]:
    """24 leaves in 8 families in 3 kingdoms; `first` is the name of leaf 0."""
    return {
        "name": "shapes",
        "levels": ["fine", "family", "kingdom"],
        "names": [
            [first, *(f"leaf_{i}" for i in range(1, 24))],
            [f"family_{i}" for i in range(8)],
            ["round", "square", "striped"],
        ],
        "parents": [[i // 3 for i in range(24)], [0, 0, 0, 1, 1, 1, 2, 2]],
    }


def make_run_folder(
    path: Path,
    *,
    tree: dict[str, Any] | None = None,
    finished: bool = True,
    samples: bool = True,
    epochs: int = 12,
    images: int = 2400,
    seed: int = 0,
) -> Path:
    """Write the files a training leaves behind, except checkpoint, weights and predictions."""
    tree = tree or small_tree()
    rng = np.random.default_rng(seed)
    folder = RunFolder(path)
    write_text(folder.config, CONFIG.format(name=path.name, epochs=epochs))
    write_json(folder.environment, _environment(finished))
    write_json(folder.tree, tree)
    write_json(folder.network, _network([len(names) for names in tree["names"]], tree["levels"]))
    done = epochs if finished else max(1, epochs // 3)
    folder.write_history([_epoch(e, epochs, tree["levels"], rng) for e in range(1, done + 1)])
    if finished:
        up = _ancestors(tree)
        labels, answers = _answers(up, images, rng)
        write_json(folder.metrics, _metrics(tree, labels, answers, np.random.default_rng(seed)))
        if samples:
            wrong = np.flatnonzero(labels[0] != answers[0])[:96]
            pixels = rng.integers(0, 256, (len(wrong), 3, 8, 8), dtype=np.uint8).repeat(4, 2).repeat(4, 3)
            parts = {"pixels": pixels, "labels": labels[:, wrong].T, "answers": answers[:, wrong].T}
            write_arrays(folder.samples, parts)
    return path


def _ancestors(tree: dict[str, Any]) -> Array:
    rows = [np.arange(len(tree["names"][0]))]
    for parents in tree["parents"]:
        rows.append(np.array(parents)[rows[-1]])
    return np.stack(rows)


def _answers(up: Array, images: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Labels and answers, (levels, images) each: mistakes prefer their own kind, and favourites among it."""
    leaves = up.shape[1]
    labels = np.arange(images) % leaves
    near = (up[:, :, None] == up[:, None, :]).sum(0).astype(float)
    weight = 6.0**near * rng.gamma(0.4, 1, (leaves, leaves))
    np.fill_diagonal(weight, 0)
    weight /= weight.sum(1, keepdims=True)
    answers = np.array([rng.choice(leaves, p=weight[label]) for label in labels])
    right = rng.random(images) < rng.uniform(0.5, 0.95, leaves)[labels]
    answers = np.where(right, labels, answers)
    return up[:, labels], up[:, answers]


def _metrics(tree: dict[str, Any], labels: Array, answers: Array, rng: np.random.Generator) -> Metrics:
    """The metrics of these answers, by the functions that write metrics.json. Shapes: labels, answers: (L, N)."""
    logits = [rng.normal(0, 0.5, (labels.shape[1], len(names))) for names in tree["names"]]
    for level, chosen in zip(logits, answers, strict=True):
        level[np.arange(len(chosen)), chosen] += 4
    metrics, _ = measure(
        LabelTree.from_json(tree),
        labels=labels.T,
        logits=logits,
        calibration=uncalibrated(len(logits), NO_IMAGES),
        decode_kind="independent",
        split="official",
    )
    return metrics


def _epoch(epoch: int, epochs: int, levels: Sequence[str], rng: np.random.Generator) -> EpochRecord:
    done = 1 - np.exp(-4 * epoch / epochs)

    def figures(start: float, best: float) -> EpochFigures:
        noise = rng.normal(0, 0.008, len(levels))
        reach = [1 - (1 - best) / (1 + i) for i in range(len(levels))]
        accuracy = {k: float(np.clip(r * done + n, 0, 1)) for k, r, n in zip(levels, reach, noise, strict=True)}
        losses = {k: float(start * (1.1 - accuracy[k]) / (1 + 0.4 * i)) for i, k in enumerate(levels)}
        return {"loss": sum(losses.values()), "losses": losses, "accuracy": accuracy}

    return {
        "epoch": epoch,
        "learning_rate": 1e-3 * (1 - epoch / (epochs + 1)),
        "seconds": 61.0,
        "images_per_second": 820.0,
        "train": figures(3.6, 0.86),
        "validation": figures(3.9, 0.75),
    }


def _environment(finished: bool) -> Environment:
    return {
        "format": 1,
        "treehead": "0.1.0",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "started": "2026-01-05T09:30:00+00:00",
        "finished": "2026-01-05T10:21:40+00:00" if finished else None,
        "machine": {
            "processor": "Made-up CPU 9000",
            "cores": 2,
            "memory_bytes": 8_200_000_000,
            "accelerator": None,
            "system": "Linux",
        },
        "versions": {"python": "3.11.2", "torch": "2.13.0", "numpy": "2.3.0"},
        "engine": "pytorch",
        "device": "cpu",
        "precision": "bfloat16",
        "seconds": 3100.0 if finished else None,
        "work_pflop": 0.125,
        "peak_memory_bytes": 1_700_000_000 if finished else None,
    }


def _network(sizes: Sequence[int], levels: Sequence[str]) -> Network:
    layers: list[LayerRow] = []
    for i, (width, side) in enumerate(((32, 32), (64, 16), (128, 8), (256, 4))):
        shape, kernel = [width, side, side], (width * width // 2 or 864) * 9
        rows = (("conv", kernel, kernel * side * side), ("norm", 2 * width, 0), ("relu", 0, 0))
        for kind, parameters, work in rows:
            name = f"trunk.{i}.{kind}"
            layers.append(
                {"name": name, "kind": kind, "output": shape, "parameters": parameters, "multiply_adds": work}
            )
    for level, size in zip(levels, sizes, strict=True):
        name, parameters, work = f"heads.{level}", 257 * size, 256 * size
        layers.append(
            {"name": name, "kind": "linear", "output": [size], "parameters": parameters, "multiply_adds": work}
        )
    return {
        "input": [3, 32, 32],
        "layers": layers,
        "parameters": sum(layer["parameters"] for layer in layers),
        "multiply_adds": sum(layer["multiply_adds"] for layer in layers),
    }
