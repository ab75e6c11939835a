"""From a label to what the loss should aim at: a distribution over the classes of a level."""

import numpy as np

from treehead.types import Array


def smoothed_targets(num_classes: int, smoothing: float) -> Array:
    """One target distribution per label.

        targets[y, k] = (1 - smoothing) * [k = y] + smoothing / K

    Shapes: returns (K, K) float32, rows sum to 1; smoothing 0 gives one-hot rows.
    Conventions: the true class keeps its even share too, as in torch's label_smoothing.
    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """
    even = np.full((num_classes, num_classes), smoothing / num_classes)
    return ((1 - smoothing) * np.eye(num_classes) + even).astype(np.float32)
