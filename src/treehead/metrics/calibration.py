"""Temperature scaling: one temperature per head, fitted on held-out images.

Axes: N images, K classes.
"""

import numpy as np

from treehead.metrics.flat import softmax
from treehead.types import Array

LOWEST, HIGHEST = 0.01, 100.0
"""Bounds of a temperature; a head that is never wrong would reach 0."""
HALVINGS = 50


def fit_temperature(logits: Array, labels: Array) -> float:
    """The temperature T that minimises the cross-entropy of softmax(logits / T).

        T = argmin_T -mean_n log softmax(logits[n] / T)[labels[n]]

    Shapes: logits: (N, K); labels: (N,) int; N at least 1.
    Conventions: the loss is convex in 1/T, so the root of its derivative is bisected, on the logarithm of T between
        0.01 and 100; without a root in between, T is the bound with the smaller loss. A temperature above 1 lowers
        confidences. The most probable class of a head stays the same.
    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    low, high = np.log(LOWEST), np.log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _falls_with_temperature(logits, labels, float(np.exp(middle))):
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _falls_with_temperature(logits: Array, labels: Array, temperature: float) -> bool:
    """Whether the loss falls as the temperature rises: the mean expected logit is above the mean logit of the label."""
    expected = (softmax(logits, temperature) * logits).sum(axis=1)
    true = logits[np.arange(len(labels)), labels]
    return bool((expected - true).mean(dtype=np.float64) > 0)
