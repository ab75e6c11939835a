"""Evaluate a trained network on the test images: every metric, the predictions, and examples of the mistakes.

Axes: N images, L levels, K leaves, K_l classes of level l.
"""

import numpy as np

from treehead.data.dataset import Images, Splits
from treehead.decode import decode
from treehead.engines.api import Engine
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import Calibration, calibration_figures, fit_calibration, write_calibration
from treehead.inference.model import Model
from treehead.inference.prediction import Prediction
from treehead.metrics.flat import confusion_matrix, softmax
from treehead.metrics.selective import selective_figures
from treehead.metrics.summary import summarise
from treehead.records.run import Metrics
from treehead.run.decoder_table import tree_figures
from treehead.runfiles import FORMAT, RunFolder, write_arrays, write_json
from treehead.types import Array

CONFUSIONS, EXAMPLES = 12, 6
"""Number of confusions, of the most frequent and of the costliest, that keep sample images; most images for each."""


def evaluate_model(engine: Engine, model: Model, splits: Splits, folder: RunFolder, *, decode_kind: str) -> None:
    """Fit the temperatures, then write metrics.json, predictions.npz and, where the config keeps images, samples.npz.

    Conventions: one view of each image; all figures are of the calibrated probabilities, as in inference.
        `calibration` in metrics.json has loss and calibration error before and after.
    """
    test, tree = splits.test, model.tree
    calibration = fit_calibration(engine, splits)
    logits = engine.predict(test.pixels)
    probabilities = calibrated(logits, calibration)
    answers = decode(decode_kind, probabilities, tree).answers
    arrays: dict[str, Array] = {"labels": test.labels.astype(np.int16), "answers": answers.astype(np.int16)}
    for level, values in zip(tree.levels, probabilities, strict=True):
        arrays[f"probabilities_{level}"] = values.astype(np.float16)
    metrics = measure(
        tree, labels=test.labels, logits=logits, calibration=calibration, decode_kind=decode_kind, split=splits.name
    )
    write_calibration(folder, calibration, tree.levels)
    write_arrays(folder.predictions, arrays)
    if model.config.output.images:
        write_arrays(folder.samples, misclassified_samples(test, answers, tree.heights))
    write_json(folder.metrics, metrics)


def calibrated(logits: list[Array], calibration: Calibration) -> list[Array]:
    """Each head's softmax at its temperature. Shapes: per level (N, K_l) to per level (N, K_l) float64."""
    return [softmax(level, t) for level, t in zip(logits, calibration.temperatures, strict=True)]


def measure(
    tree: LabelTree, *, labels: Array, logits: list[Array], calibration: Calibration, decode_kind: str, split: str
) -> Metrics:
    """The content of metrics.json.

    Shapes: labels: (N, L) class ids, -1 where unknown; logits: per level (N, K_l).
    """
    probabilities = calibrated(logits, calibration)
    decoded = decode(decode_kind, probabilities, tree)
    answers, confidences = decoded.answers, Prediction(tree, tuple(probabilities), decoded.answers).confidences
    return {
        "format": FORMAT,
        "tree": tree.name,
        "levels": list(tree.levels),
        "decode": decode_kind,
        "split": split,
        **summarise(tree, labels=labels, answers=answers, probabilities=probabilities, leaf_scores=decoded.leaf_scores),
        **selective_figures(tree.levels, labels=labels, answers=answers, confidences=confidences),
        "calibration": calibration_figures(calibration, tree.levels, logits=logits, labels=labels),
        **tree_figures(tree, labels=labels, probabilities=probabilities, decode_kind=decode_kind),
    }


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
