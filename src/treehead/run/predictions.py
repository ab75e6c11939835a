"""predictions.npz: the logits of every test image, as the metrics are computed from them.

Axes: N images, L levels from the leaves up, K_l classes of level l.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.metrics.flat import SMALLEST
from treehead.runfiles import RunFolder, write_arrays
from treehead.types import Array, RunError, UserError

LARGEST = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Labels and answers (N, L) int64, -1 for an unknown label; logits per level (N, K_l) float32."""

    labels: Array
    answers: Array
    logits: list[Array]


def rounded(logits: Sequence[Array]) -> list[Array]:
    """Logits as they are stored: minus the row's maximum, rounded to whole steps of a head's own step.

        step = the smallest power of two with (max - min of any row) <= 32767 * step

    Shapes: logits and what is returned: per level (N, K_l) float32.
    Conventions: metrics are computed from these, so that they can be computed again from the file, exactly. A step is
        about 1/1000: probabilities change by less than a thousandth of themselves.
    Raises: RunError: a logit is not a finite number.
    """
    return [(steps * np.float32(step)).astype(np.float32) for steps, step in map(_packed, logits)]


def write_predictions(folder: RunFolder, tree: LabelTree, predictions: Predictions) -> None:
    """Write predictions.npz; `logits` are those of `rounded`, which this does not change any further."""
    arrays = {name: getattr(predictions, name).astype(np.int16) for name in ("labels", "answers")}
    for level, logits in zip(tree.levels, predictions.logits, strict=True):
        arrays[f"logits_{level}"], step = _packed(logits)
        arrays[f"step_{level}"] = np.float32(step)
    write_arrays(folder.predictions, arrays)


def read_predictions(folder: RunFolder, tree: LabelTree) -> Predictions:
    """Read predictions.npz, or the probabilities that an earlier version stored, as their logarithms.

    Raises: UserError: the file is missing or damaged.
    """
    stored = folder.read_arrays(folder.predictions)
    try:
        logits = [_read_logits(stored, level) for level in tree.levels]
        labels, answers = stored["labels"].astype(np.int64), stored["answers"].astype(np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from None
    if not _fit(tree, labels, answers, logits):
        raise _damaged(folder, f"its arrays do not fit the tree {tree.name}")
    return Predictions(labels, answers, logits)


def _fit(tree: LabelTree, labels: Array, answers: Array, logits: list[Array]) -> bool:
    """Whether the arrays belong to the tree, and hold class ids and numbers."""
    shape = (len(labels), len(tree.levels))
    shaped = labels.shape == answers.shape == shape
    if not shaped or [level.shape for level in logits] != [(len(labels), size) for size in tree.sizes]:
        return False
    ids = (labels >= -1).all() and (answers >= 0).all() and (labels < tree.sizes).all() and (answers < tree.sizes).all()
    return bool(ids) and all(bool(np.isfinite(level).all()) for level in logits)


def _packed(logits: Array) -> tuple[Array, float]:
    """(N, K) int16 and the step, a power of two, in which they count."""
    if not np.isfinite(logits).all():
        raise RunError("the network's outputs are not finite; train it again with a smaller learning rate")
    centred = logits.astype(np.float64) - logits.max(axis=1, keepdims=True, initial=-np.inf)
    step = 2.0 ** np.ceil(np.log2(max(-centred.min(initial=0.0), LARGEST / 2**20) / LARGEST))
    return np.rint(centred / step).astype(np.int16), float(step)


def _read_logits(stored: dict[str, Array], level: str) -> Array:
    if f"logits_{level}" in stored:
        return (stored[f"logits_{level}"] * stored[f"step_{level}"]).astype(np.float32)
    return np.log(np.maximum(stored[f"probabilities_{level}"].astype(np.float32), np.float32(SMALLEST)))


def _damaged(folder: RunFolder, reason: object) -> UserError:
    return UserError(
        f"the predictions of {folder.root} are damaged ({reason}); run `treehead evaluate {folder.root}` to write them "
        "again"
    )
