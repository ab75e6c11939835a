"""Making confidences mean what they say: one temperature per head.

Axes: N images, K classes.
"""

import numpy as np

from treehead.metrics.flat import softmax
from treehead.types import Array

LOWEST, HIGHEST = 0.01, 100.0
"""Temperatures are sought between these; a head that is never wrong would ask for 0."""
HALVINGS = 50


def fit_temperature(logits: Array, labels: Array) -> float:
    """The temperature T that makes softmax(logits / T) most likely to give the labels.

        T = argmin_T -mean_n log softmax(logits[n] / T)[labels[n]]

    Shapes: logits: (N, K); labels: (N,) int; N at least 1.
    Conventions: the loss is convex in 1/T, so the root of its slope is bisected, on the logarithm of T between 0.01 and
        100; where the slope has no root there, T is the end that loses less. A temperature above 1 makes a head more
        modest. It never changes which class of a head is likeliest.
    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    low, high = np.log(LOWEST), np.log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _wants_warmer(logits, labels, float(np.exp(middle))):
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _wants_warmer(logits: Array, labels: Array, temperature: float) -> bool:
    """Whether the loss falls as the temperature rises: the mean expected logit lies above the mean true one."""
    expected = (softmax(logits, temperature) * logits).sum(axis=1)
    true = logits[np.arange(len(labels)), labels]
    return bool((expected - true).mean(dtype=np.float64) > 0)
