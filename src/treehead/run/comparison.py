"""Compare two evaluated runs on the same test images, from the files of their folders alone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from treehead.config import RunConfig, read_config
from treehead.decode import decode
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.paired import Comparison, Measure, mcnemar, measures, paired_differences
from treehead.records.run import Metrics
from treehead.runfiles import RunFolder
from treehead.types import Array, UserError


@dataclass(frozen=True, slots=True, eq=False)
class _Predictions:
    config: RunConfig
    metrics: Metrics
    tree: LabelTree
    labels: Array
    answers: Array
    measures: dict[str, Measure]


def compare(first: Path, second: Path) -> Comparison:
    """Compare two runs image by image, as they were evaluated.

    Raises: UserError: a run is not evaluated, or the two have different trees or test images.
    """
    one, two = _read(first), _read(second)
    if one.tree != two.tree:
        raise UserError(
            f"{first} uses the tree {one.tree.name}, {second} the tree {two.tree.name}; severities on different trees "
            "cannot be compared"
        )
    if one.config.data.name != two.config.data.name or not np.array_equal(one.labels, two.labels):
        raise UserError(f"{first} and {second} have different test images and cannot be compared image by image")
    if "all" in (one.config.data.pool, two.config.data.pool) and _drawn(one.config) != _drawn(two.config):
        raise UserError(
            f"{first} and {second} have different test images: with data.pool = all, use one seed and one data.split"
        )
    first_right, second_right = (run.labels == run.answers for run in (one, two))  # False where the label is unknown
    tests = {level: mcnemar(first_right[:, i], second_right[:, i]) for i, level in enumerate(one.tree.levels)}
    known = dict(zip(one.tree.levels, (one.labels >= 0).sum(axis=0).tolist(), strict=True))
    return Comparison(len(one.labels), known, paired_differences(one.measures, two.measures), tests)


def _fit(tree: LabelTree, labels: Array, answers: Array, probabilities: list[Array]) -> bool:
    """Whether arrays of predictions have the shapes and the class ids of this tree."""
    shapes = [(len(labels), size) for size in tree.sizes] if labels.ndim == 2 else []
    whole = labels.shape == answers.shape == (len(labels), len(tree.levels)) and len(labels) > 0
    ids = whole and bool(((labels >= -1) & (labels < tree.sizes) & (answers >= 0) & (answers < tree.sizes)).all())
    return (
        ids and [level.shape for level in probabilities] == shapes and all(np.isfinite(p).all() for p in probabilities)
    )


def _drawn(config: RunConfig) -> tuple[object, ...]:
    return config.data.pool, config.data.split, config.seed


def _read(root: Path) -> _Predictions:
    folder = RunFolder(root).checked()
    config, metrics = read_config(folder.read_text(folder.config)), folder.read_json(folder.metrics)
    tree = LabelTree.from_json(folder.read_tree())
    stored = folder.read_arrays(folder.predictions)
    try:
        probabilities = [stored[f"probabilities_{level}"].astype(np.float64) for level in tree.levels]
        labels, answers = stored["labels"].astype(np.int64), stored["answers"].astype(np.int64)
        kind = metrics["decode"]
        if not _fit(tree, labels, answers, probabilities):
            raise ValueError("the arrays do not fit the label tree")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the predictions of {root} are damaged ({error}); run `treehead evaluate {root}` to write them again"
        ) from None
    scores = decode(kind, probabilities, tree).leaf_scores
    values = measures(tree, labels=labels, answers=answers, probabilities=probabilities, leaf_scores=scores)
    return _Predictions(config, metrics, tree, labels, answers, values)
