"""Compare two evaluated runs on the same test images, from the files of their folders alone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from treehead.config import RunConfig, read_config
from treehead.decode import decode
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import read_calibration
from treehead.metrics.flat import softmax
from treehead.metrics.paired import Comparison, Measure, mcnemar, measures, paired_differences
from treehead.records.run import Metrics
from treehead.run.predictions import read_predictions
from treehead.runfiles import RunFolder
from treehead.types import Array, UserError


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    config: RunConfig
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


def _drawn(config: RunConfig) -> tuple[object, ...]:
    return config.data.pool, config.data.split, config.seed


def _read(root: Path) -> _Run:
    folder = RunFolder(root).checked()
    config = read_config(folder.read_text(folder.config))
    metrics: Metrics = folder.read_json(folder.metrics)
    tree = LabelTree.from_json(folder.read_tree())
    stored = read_predictions(folder, tree)
    nodes = read_calibration(folder, tree).posterior(stored.logits, tree)
    heads = [softmax(level) for level in stored.logits]
    scores = decode(str(metrics["decode"]), nodes, tree, heads=heads).leaf_scores
    values = measures(tree, labels=stored.labels, answers=stored.answers, probabilities=nodes, leaf_scores=scores)
    return _Run(config, tree, stored.labels, stored.answers, values)
