"""Metrics of one level, independent of the tree.

Axes: N images, K classes. Fractions are in [0, 1].
"""

import numpy as np

from treehead.types import Array

SMALLEST = 1e-12
"""Probabilities are clipped at this value before a logarithm."""


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Logits to probabilities, softmax(logits / temperature). Shapes: (N, K) to (N, K) float64; rows sum to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)  # same result, and exp cannot overflow
    exps = np.exp(shifted / temperature)
    return exps / exps.sum(axis=1, keepdims=True)


def accuracy(labels: Array, answers: Array) -> float:
    """Fraction of right answers. Shapes: labels, answers: (N,) class ids."""
    return float((labels == answers).mean())


def top_k_accuracy(labels: Array, scores: Array, *, k: int) -> float:
    """Fraction of images whose label is among the k highest scores.

    Shapes: labels: (N,) int; scores: (N, K).
    Conventions: of equal scores the lower class id comes first.
    """
    return float((ranked(scores, k) == labels[:, None]).any(axis=1).mean())


def ranked(scores: Array, k: int) -> Array:
    """The k highest-scored classes of every image; of equal scores the lower id first. Shapes: (N, K) to (N, k)."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def confusion_matrix(labels: Array, answers: Array, *, num_classes: int) -> Array:
    """Counts [true, predicted]. Shapes: labels, answers: (N,) class ids; returns (K, K) int64."""
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (labels, answers), 1)  # no `labels * num_classes`, which overflows in narrow integers
    return counts


def recalls(confusion: Array) -> list[float | None]:
    """Recall of each class: fraction of its images answered right; None for a class without images.

    Shapes: confusion: (K, K) counts [true, predicted]; returns K.
    """
    totals = confusion.sum(axis=1).tolist()
    right = np.diag(confusion).tolist()
    return [hits / total if total else None for hits, total in zip(right, totals, strict=True)]


def log_loss(labels: Array, probabilities: Array) -> float:
    """Mean cross-entropy of the true class, in nats.

        -mean_n log probabilities[n, labels[n]]

    Shapes: labels: (N,) int; probabilities: (N, K).
    Conventions: probabilities are clipped at 1e-12 from below, so one image costs at most 27.6 nats.
    """
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, SMALLEST)).mean())


def expected_calibration_error(labels: Array, probabilities: Array, *, num_bins: int = 15) -> float:
    """Expected calibration error: mean distance of confidence from accuracy over bins of confidence.

        sum_b (n_b / N) * |accuracy_b - mean confidence_b|

    Shapes: labels: (N,) int; probabilities: (N, K).
    Conventions: confidence is the highest probability; num_bins bins of equal width, each (low, high].
    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    gaps = calibration_gaps(labels, probabilities, num_bins=num_bins)
    return float(np.abs(gaps.sum(axis=0)).sum() / len(labels))


def calibration_gaps(labels: Array, probabilities: Array, *, num_bins: int = 15) -> Array:
    """Contribution of every image to the gap of its confidence bin: right (1 or 0) minus confidence; 0 elsewhere.

    Shapes: as `expected_calibration_error`; returns (N, num_bins), columns sum to n_b * (accuracy_b - confidence_b).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)
    gaps = np.zeros((len(labels), num_bins))
    gaps[np.arange(len(labels)), bins] = right - confidence
    return gaps
