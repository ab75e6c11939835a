"""Every metric of a trained network on the test images, and a few misclassified images.

Axes: N images, L levels.
"""

import numpy as np

from treehead.data.dataset import Images, Splits
from treehead.decode import decode
from treehead.engines.api import Engine
from treehead.inference.calibration import calibration_figures, fit_calibration, write_calibration
from treehead.inference.model import Model
from treehead.inference.prediction import Prediction
from treehead.metrics.flat import confusion_matrix, softmax
from treehead.metrics.selective import selective_figures
from treehead.metrics.summary import summarise
from treehead.run.decoder_table import tree_figures
from treehead.runfiles import FORMAT, RunFolder, write_arrays, write_json
from treehead.types import Array

CONFUSIONS, EXAMPLES = 12, 6
"""Of how many of the most frequent, and of the costliest, confusions images are stored; at most how many of each."""


def evaluate_model(engine: Engine, model: Model, splits: Splits, folder: RunFolder, *, decode_kind: str) -> None:
    """Calibrate, then write metrics.json, predictions.npz and, with output.images, samples.npz.

    Conventions: one view per image; metrics are those of the calibrated probabilities, which the model answers with;
        `calibration` in metrics.json has the values before calibration.
    """
    test, tree = splits.test, model.tree
    calibration = fit_calibration(engine, splits)
    logits = engine.predict(test.pixels)
    probabilities = [softmax(level, t) for level, t in zip(logits, calibration.temperatures, strict=True)]
    decoded = decode(decode_kind, probabilities, tree)
    figures = summarise(
        tree,
        labels=test.labels,
        answers=decoded.answers,
        probabilities=probabilities,
        leaf_scores=decoded.leaf_scores,
    )
    confidences = Prediction(tree, tuple(probabilities), decoded.answers).confidences
    figures |= selective_figures(tree.levels, labels=test.labels, answers=decoded.answers, confidences=confidences)
    figures["calibration"] = calibration_figures(calibration, tree.levels, logits=logits, labels=test.labels)
    figures |= tree_figures(tree, labels=test.labels, probabilities=probabilities, decode_kind=decode_kind)
    about = {"format": FORMAT, "tree": tree.name, "levels": tree.levels, "decode": decode_kind, "split": splits.name}
    arrays: dict[str, Array] = {"labels": test.labels.astype(np.int16), "answers": decoded.answers.astype(np.int16)}
    for level, values in zip(tree.levels, probabilities, strict=True):
        arrays[f"probabilities_{level}"] = values.astype(np.float16)
    write_calibration(folder, calibration, tree.levels)
    write_arrays(folder.predictions, arrays)
    if model.config.output.images:
        write_arrays(folder.samples, misclassified_samples(test, decoded.answers, tree.heights))
    write_json(folder.metrics, about | figures)


def misclassified_samples(test: Images, answers: Array, heights: Array) -> dict[str, Array]:
    """A few images of the most frequent confusions of leaves, and of the costliest (count times severity).

    Shapes: answers: (N, L); heights: (K, K); returns pixels (M, C, H, W) uint8, labels and answers (M, L) int16.
    """
    full = test.labels[:, 0] >= 0
    test, answers = test.take(np.flatnonzero(full)) if not full.all() else test, answers[full]
    num_leaves = len(heights)
    counts = confusion_matrix(test.labels[:, 0], answers[:, 0], num_classes=num_leaves)
    np.fill_diagonal(counts, 0)
    leading = (np.argsort(-cost, axis=None, kind="stable")[:CONFUSIONS] for cost in (counts, counts * heights))
    confusions = dict.fromkeys(np.concatenate(list(leading)).tolist())  # each pair once, in this order
    pairs = test.labels[:, 0] * num_leaves + answers[:, 0]
    chosen = np.concatenate(
        [np.flatnonzero(pairs == pair)[:EXAMPLES] for pair in confusions if counts.flat[pair]] or [[]]
    )
    at = chosen.astype(np.int64)
    return {
        "pixels": test.pixels[at],
        "labels": test.labels[at].astype(np.int16),
        "answers": answers[at].astype(np.int16),
    }
