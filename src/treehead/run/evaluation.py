"""Evaluate a trained network on the test images: every metric, the predictions, and examples of the mistakes.

Axes: N images, L levels, K leaves, K_l classes of level l.
"""

from collections.abc import Sequence

import numpy as np

from treehead.data.dataset import Images, Splits
from treehead.decode import confidences, decode
from treehead.engines.api import Engine
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import write_calibration
from treehead.inference.model import Model
from treehead.metrics.flat import confusion_matrix, softmax
from treehead.metrics.selective import selective_figures
from treehead.metrics.summary import summarise
from treehead.posterior.held_out import Calibration
from treehead.records.run import Metrics
from treehead.run.calibration import calibrate, calibration_figures
from treehead.run.decoder_table import tree_figures
from treehead.run.guarantees import guarantee_figures
from treehead.run.predictions import Predictions, rounded, write_predictions
from treehead.runfiles import FORMAT, RunFolder, write_arrays, write_json
from treehead.types import Array

CONFUSIONS, EXAMPLES = 12, 6
"""Number of confusions, of the most frequent and of the costliest, that keep sample images; most images for each."""


def evaluate_model(engine: Engine, model: Model, splits: Splits, folder: RunFolder) -> None:
    """Calibrate, then write metrics.json, predictions.npz and, where the config keeps images, samples.npz.

    Conventions: one view of each image; all figures are of the posterior, as in inference, and of the logits as they
        are stored. `calibration` in metrics.json has loss and calibration error of the heads and of the posterior.
    """
    test, tree, kind = splits.test, model.tree, model.config.decode
    calibration = calibrate(engine, model, splits)
    logits = rounded(engine.predict(test.pixels))
    metrics, answers = measure(
        tree, labels=test.labels, logits=logits, calibration=calibration, decode_kind=kind, split=splits.name
    )
    write_calibration(folder, calibration, tree)
    write_predictions(folder, tree, Predictions(test.labels, answers, logits))
    if model.config.output.images:
        write_arrays(folder.samples, misclassified_samples(test, answers, tree.heights))
    write_json(folder.metrics, metrics)


def measure(
    tree: LabelTree,
    *,
    labels: Array,
    logits: Sequence[Array],
    calibration: Calibration,
    decode_kind: str,
    split: str,
) -> tuple[Metrics, Array]:
    """The content of metrics.json, and the answers (N, L) that it is of.

    Shapes: labels: (N, L) class ids, -1 where unknown; logits: per level (N, K_l).
    """
    nodes, heads = calibration.posterior(logits, tree), [softmax(level) for level in logits]
    decoded = decode(decode_kind, nodes, tree, heads=heads)
    answers, confidence = decoded.answers, confidences(nodes, decoded.answers)
    figures = {"nodes": nodes, "answers": answers, "labels": labels}
    metrics: Metrics = {
        "format": FORMAT,
        "tree": tree.name,
        "levels": list(tree.levels),
        "decode": decode_kind,
        "split": split,
        **summarise(tree, labels=labels, answers=answers, probabilities=nodes, leaf_scores=decoded.leaf_scores),
        **selective_figures(tree.levels, labels=labels, answers=answers, confidences=confidence),
        "calibration": calibration_figures(calibration, tree, logits=logits, nodes=nodes, labels=labels),
        "guarantees": guarantee_figures(calibration, tree, decoder=decode_kind, **figures),
        **tree_figures(tree, labels=labels, nodes=nodes, heads=heads, decode_kind=decode_kind),
    }
    return metrics, answers


def misclassified_samples(test: Images, answers: Array, heights: Array) -> dict[str, Array]:
    """Sample images of the most frequent confusions of leaves, and of the costliest (images times severity).

    Shapes: answers: (N, L); heights: (K, K); returns pixels (M, C, H, W) uint8, labels and answers (M, L) int16.
    """
    full = test.labels[:, 0] >= 0
    test, answers = test.take(np.flatnonzero(full)) if not full.all() else test, answers[full]
    num_leaves = len(heights)
    counts = confusion_matrix(test.labels[:, 0], answers[:, 0], num_classes=num_leaves)
    np.fill_diagonal(counts, 0)
    leading = [np.argsort(-cost, axis=None, kind="stable")[:CONFUSIONS] for cost in (counts, counts * heights)]
    leading_pairs = dict.fromkeys(np.concatenate(leading).tolist())  # in this order, without repeats
    pairs = test.labels[:, 0] * num_leaves + answers[:, 0]
    examples = [np.flatnonzero(pairs == pair)[:EXAMPLES] for pair in leading_pairs if counts.flat[pair]]
    chosen = np.concatenate(examples or [[]]).astype(np.int64)
    return {
        "pixels": test.pixels[chosen],
        "labels": test.labels[chosen].astype(np.int16),
        "answers": answers[chosen].astype(np.int16),
    }
