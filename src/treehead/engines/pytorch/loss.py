"""The losses of every head, on the device. `engines.objective.level_losses` computes the same in NumPy.

Axes: B batch, L levels, K leaves, K_l classes of level l.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from treehead.engines.objective import TINY, Objective
from treehead.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class MixedLabels:
    """Labels of images that may contain a part of another image.

    Shapes: own, partner: (B, L) int64, -1 where not known; share: (B,), the partner's fraction of the image.
    """

    own: Tensor
    partner: Tensor
    share: Tensor


class HeadLosses:
    """The (L,) losses of an objective, of the logits of every head (B, K_l) and their labels.

    Conventions: a mixed image counts as both images, by their shares; so does the cost of each of its labels.
    """

    def __init__(self, objective: Objective, device: torch.device) -> None:
        def floats(array: Array) -> Tensor:
            return torch.from_numpy(np.asarray(array, np.float32)).to(device)

        self._objective = objective
        self._targets = [floats(table) for table in objective.targets]
        self._costs = [floats(table) for table in objective.costs]
        self._class_weights = [floats(table) for table in objective.class_weights or ()]
        self._below: dict[int, Tensor] = {}  # per level with a marginal term: (K, K_l), 1 where the leaf lies below
        if objective.marginal is not None and objective.ancestors is not None:
            for level in np.flatnonzero(objective.marginal):
                ids = np.arange(len(objective.targets[level]))
                self._below[int(level)] = floats(objective.ancestors[level][:, None] == ids)

    def __call__(self, logits: list[Tensor], labels: MixedLabels) -> Tensor:
        log_probs = [functional.log_softmax(level, 1) for level in logits]
        losses = [self._head(level, log_probs[level], labels) for level in range(len(logits))]
        for level, below in self._below.items():
            log_sums = (log_probs[0].exp() @ below).clamp(min=TINY).log()
            assert self._objective.marginal is not None
            losses[0] = losses[0] + float(self._objective.marginal[level]) * self._mean(
                [-(self._targets[level][label] * log_sums).sum(1) for label, _ in self._parts(level, labels)],
                level,
                labels,
            )
        return torch.stack(losses)

    def _head(self, level: int, log_probs: Tensor, labels: MixedLabels) -> Tensor:
        parts = []
        for label, _ in self._parts(level, labels):
            loss = -(self._targets[level][label] * log_probs).sum(1)
            if self._objective.severity_alpha is not None:
                loss = loss * (self._objective.severity_alpha + self._costs[level][label, log_probs.argmax(1)])
            if self._objective.expected_severity:
                expected = (log_probs.exp() * self._costs[level][label]).sum(1)
                loss = loss + self._objective.expected_severity * expected
            parts.append(loss)
        return self._mean(parts, level, labels)

    def _mean(self, losses: list[Tensor], level: int, labels: MixedLabels) -> Tensor:
        """Mean over the known labels of each part's losses, weighted by share and class."""
        total, count = losses[0].new_zeros(()), losses[0].new_zeros(())
        for loss, (label, share) in zip(losses, self._parts(level, labels), strict=True):
            known = share * (label >= 0)
            total = total + (loss * known * (self._class_weights[level][label] if self._class_weights else 1)).sum()
            count = count + known.sum()
        return total / count.clamp(min=1)

    def _parts(self, level: int, labels: MixedLabels) -> list[tuple[Tensor, Tensor]]:
        """(label, share of the image), (B,) each: of the image itself and of its partner."""
        own, partner = labels.own[:, level], labels.partner[:, level]
        return [(own, 1 - labels.share), (partner, labels.share)]
