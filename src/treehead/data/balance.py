"""Balance classes of unequal size: by weights in the loss, or by sampling small classes more often.

Axes: N images, L levels, K_l classes of level l.
"""

from collections.abc import Sequence

import numpy as np

from treehead.data.dataset import deepest_known
from treehead.types import Array


def class_weights(labels: Array, sizes: Sequence[int]) -> tuple[Array, ...]:
    """Loss weights per class of each level, so that all classes have the same total weight.

        weight[c] = labelled images / (K * images of class c)

    Shapes: labels: (N, L), -1 where not known; sizes: L; returns per level (K_l,) float64.
    Conventions: the mean weight of the labelled images is 1; K counts the classes with images, the others have
        weight 1.
    """
    weights = []
    for label, size in zip(labels.T, sizes, strict=True):
        counts = np.bincount(label[label >= 0], minlength=size)
        present = int((counts > 0).sum())
        weights.append(np.where(counts > 0, counts.sum() / (max(present, 1) * np.maximum(counts, 1)), 1.0))
    return tuple(weights)


def sampling_shares(labels: Array) -> Array:
    """Sampling probability of each image: uniform over the deepest known classes, and over the images of a class.

    Shapes: labels: (N, L), -1 where not known; returns (N,), summing to 1.
    """
    _, stratum, counts = np.unique(deepest_known(labels), return_inverse=True, return_counts=True)
    return 1 / (len(counts) * counts[stratum])
