"""Classes of unequal size made to count alike: by the weight of an image in the loss, or by how often it is drawn.

Axes: N images, L levels, K_l classes of level l.
"""

from collections.abc import Sequence

import numpy as np

from treehead.data.dataset import deepest_known
from treehead.types import Array


def class_weights(labels: Array, sizes: Sequence[int]) -> tuple[Array, ...]:
    """Per level, how much an image counts by its class, so that every class counts as much as any other.

        weight[c] = known images / (K * images of c)

    Shapes: labels: (N, L), -1 where not known; sizes: L; returns per level (K_l,) float64.
    Conventions: over the known images the weights' mean is 1; a class without images has weight 1.
    """
    weights = []
    for label, size in zip(labels.T, sizes, strict=True):
        counts = np.bincount(label[label >= 0], minlength=size)
        present = int((counts > 0).sum())
        weights.append(np.where(counts > 0, counts.sum() / (max(present, 1) * np.maximum(counts, 1)), 1.0))
    return tuple(weights)


def sampling_shares(labels: Array) -> Array:
    """(N,) chance of each image to be drawn: alike for every deepest known class, alike within it; they sum to 1."""
    _, stratum, counts = np.unique(deepest_known(labels), return_inverse=True, return_counts=True)
    return 1 / (len(counts) * counts[stratum])
