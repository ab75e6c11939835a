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
    return smoothed(np.eye(num_classes), smoothing)


def soft_targets(costs: Array, *, height: int, beta: float) -> Array:
    """One target distribution per label, that falls off with the distance in the tree.

        targets[y, k] = exp(-beta * costs[y, k] / height) / sum_j exp(-beta * costs[y, j] / height)

    Shapes: costs: (K, K), see `severity_matrix`; returns (K, K) float32, rows sum to 1.
    Conventions: the distance is the height of the lowest common ancestor over that of the tree, in [0, 1]; a large
        beta gives one-hot rows.
    Source: Bertinetto et al. 2020, arXiv:1912.09393, eq. 5.
    """
    weights = np.exp(-beta * costs.astype(np.float64) / height)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def smoothed(targets: Array, smoothing: float) -> Array:
    """`targets` with a share of every row spread evenly over its classes; see `smoothed_targets`."""
    return ((1 - smoothing) * targets + smoothing / targets.shape[1]).astype(np.float32)
