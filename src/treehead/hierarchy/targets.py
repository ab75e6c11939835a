"""Target distributions: what the loss compares the predicted probabilities of a level with, a row per label."""

import numpy as np

from treehead.types import Array


def smoothed(targets: Array, smoothing: float) -> Array:
    """Spread a share of every target distribution evenly over the classes (label smoothing).

        smoothed[y, k] = (1 - smoothing) * targets[y, k] + smoothing / K

    Shapes: targets: (K, K), rows sum to 1; returns (K, K) float32, rows sum to 1.
    Conventions: the true class keeps its even share too, as in torch's label_smoothing.
    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """
    return ((1 - smoothing) * targets + smoothing / targets.shape[1]).astype(np.float32)


def soft_targets(costs: Array, *, height: int, beta: float) -> Array:
    """Target distributions that fall off with the distance in the tree (soft labels).

        targets[y, k] = exp(-beta * costs[y, k] / height) / sum_j exp(-beta * costs[y, j] / height)

    Shapes: costs: (K, K), see `severity_matrix`; returns (K, K) float32, rows sum to 1.
    Conventions: the distance is the height of the lowest common ancestor over that of the tree, in [0, 1]; a large
        beta gives one-hot rows.
    Source: Bertinetto et al. 2020, arXiv:1912.09393, eq. 5.
    """
    weights = np.exp(-beta * costs.astype(np.float64) / height)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
