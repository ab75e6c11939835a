"""The loss a config names, made into the arrays that engines minimise."""

import numpy as np

from treehead.config import (
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
from treehead.train.schedule import level_weights
from treehead.types import Array


def objective_of(loss: Loss, tree: LabelTree) -> Objective:
    """The training loss as arrays; `engines.objective.level_losses` has its formula.

        hxe    -sum_l lambda_l * log p(C_l | C_l+1),  lambda_l = exp(-alpha * l)

    Conventions: severities are counted from each head's own level up. `hxe` is written with the sums of leaf
        probabilities P_l: p(C_l | C_l+1) = P_l / P_l+1, so P_l has the weight lambda_l - lambda_(l-1) (negative above
        the leaves), and P_0 the leaf head's cross-entropy, with lambda_0 = 1. `level_weights` weigh the heads; the
        leaf head's has the marginal terms in it.
    Source: hxe: Bertinetto et al. 2020, arXiv:1912.09393, eq. 3-4.
    """
    costs = level_severities(tree)
    height = len(tree.levels)
    hard = [np.eye(size) for size in tree.sizes]
    marginal: Array | None = None
    if isinstance(loss, SoftLabelsConfig):
        hard = [soft_targets(cost, height=height - level, beta=loss.beta) for level, cost in enumerate(costs)]
    if isinstance(loss, MarginalConfig):
        marginal = np.array([0.0] + [loss.weight] * (height - 1))
    if isinstance(loss, HxeConfig):
        fall = np.exp(-loss.alpha * np.arange(height))
        marginal = np.diff(fall, prepend=fall[0])
    return Objective(
        targets=tuple(smoothed(table, loss.label_smoothing) for table in hard),
        level_weights=level_weights(loss, num_levels=height, num_epochs=1)[0],
        costs=costs,
        severity_alpha=loss.alpha if isinstance(loss, SeverityConfig) else None,
        expected_severity=loss.weight if isinstance(loss, ExpectedSeverityConfig) else 0.0,
        marginal=marginal,
        ancestors=tree.ancestors,
    )
