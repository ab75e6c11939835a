"""The loss that a config names, as the arrays that engines minimise."""

import numpy as np

from treehead.config import (
    CustomLossConfig,
    ExpectedSeverityConfig,
    HxeConfig,
    Loss,
    MarginalConfig,
    SeverityConfig,
    SoftLabelsConfig,
)
from treehead.engines.objective import Objective
from treehead.hierarchy.severity import level_severities
from treehead.hierarchy.targets import smoothed, soft_targets
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError


def objective_of(loss: Loss, tree: LabelTree) -> Objective:
    """The loss of a config on a tree, as arrays; `Objective` has the formulas of its terms.

        hxe    -sum_l lambda_l * log p(C_l | C_l+1),  lambda_l = exp(-alpha * l)

    Severities are counted from each head's own level up. `hxe` is written with the sums of leaf probabilities P_l:
    p(C_l | C_l+1) = P_l / P_l+1, so P_l has the weight lambda_l - lambda_(l-1), which is negative above the leaves, and
    P_0 is the leaf head's cross-entropy, with lambda_0 = 1. The marginal terms belong to the leaf head's loss. Source:
    Bertinetto et al. 2020, arXiv:1912.09393, eq. 3-4.

    Args:
        loss: The `loss` section of a config.
        tree: The label tree.

    Returns:
        The arrays that an engine minimises.

    Raises:
        UserError: The loss is `custom`, whose arrays only the program has.
    """
    if isinstance(loss, CustomLossConfig):
        raise UserError(
            "loss.kind = 'custom' needs an Objective: pass objective=... to treehead.train or treehead.resume"
        )
    costs = level_severities(tree)
    height = len(tree.levels)
    hard = [np.eye(size) for size in tree.sizes]
    marginal: Array | None = None
    if isinstance(loss, SoftLabelsConfig):
        hard = [soft_targets(cost, height=height - level, beta=loss.beta) for level, cost in enumerate(costs)]
    if isinstance(loss, MarginalConfig):
        marginal = np.array([0.0] + [loss.weight] * (height - 1))
    if isinstance(loss, HxeConfig):
        edge_weights = np.exp(-loss.alpha * np.arange(height))
        marginal = np.diff(edge_weights, prepend=edge_weights[0])
    return Objective(
        targets=tuple(smoothed(table, loss.label_smoothing) for table in hard),
        costs=costs,
        severity_alpha=loss.alpha if isinstance(loss, SeverityConfig) else None,
        expected_severity=loss.weight if isinstance(loss, ExpectedSeverityConfig) else 0.0,
        marginal=marginal,
        ancestors=tree.ancestors,
    )
