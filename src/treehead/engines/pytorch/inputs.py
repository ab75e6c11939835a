"""The inputs of training steps as tensors on the device, uploaded for many steps at once so that none waits for a copy.

Axes: S steps, B batch, H W image, L levels, D dropouts, F features.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from treehead.data.augment import EpochPlan, dropout_scale
from treehead.types import Array


class StepInputs(NamedTuple):
    """One step's part of an `EpochPlan`, with its level weights and learning rate.

    Shapes: order, partners: (B,) int64; rows: (B, H), columns: (B, W), int16; box_rows: (B, H), box_columns: (B, W),
        bool; shares: (B,) float32; scales: (D, B, F) float32, see `dropout_scale`; level_weights: (L,) float32;
        learning_rate: (), float32 on a CUDA device, elsewhere float64 on the CPU.
    """

    order: Tensor
    partners: Tensor
    rows: Tensor
    columns: Tensor
    box_rows: Tensor
    box_columns: Tensor
    shares: Tensor
    scales: Tensor
    level_weights: Tensor
    learning_rate: Tensor


def inputs_of_steps(
    plan: EpochPlan,
    start: int,
    learning_rates: Array,
    level_weights: Array,
    *,
    dropout_rates: list[float],
    num_features: int,
    device: torch.device,
) -> list[StepInputs]:
    """The inputs of the steps start, start + 1, ... of `plan`, one per learning rate. Shapes: level_weights: (L,)."""
    steps = range(start, start + len(learning_rates))
    chosen = slice(steps.start, steps.stop)
    arrays = (
        plan.order[chosen],
        plan.partners[chosen],
        plan.rows[chosen],
        plan.columns[chosen],
        plan.box_rows[chosen],
        plan.box_columns[chosen],
        np.stack([plan.partner_shares(step) for step in steps]),
        _dropout_scales(plan, steps, dropout_rates, num_features),
        np.tile(np.asarray(level_weights, np.float32), (len(steps), 1)),
    )
    tensors = [torch.from_numpy(array).to(device) for array in arrays]
    on_cuda = device.type == "cuda"  # where optimizers read the rate from the device in float32; elsewhere, a number
    rates = torch.from_numpy(np.asarray(learning_rates, np.float32 if on_cuda else np.float64))
    tensors.append(rates.to(device) if on_cuda else rates)
    return [StepInputs(*parts) for parts in zip(*tensors, strict=True)]


def _dropout_scales(plan: EpochPlan, steps: range, rates: list[float], num_features: int) -> Array:
    """The factors of every dropout at those steps. Shapes: returns (S, D, B, F) float32."""
    shape = (plan.order.shape[1], num_features)
    scales = [
        [dropout_scale(int(plan.dropout_seeds[step]) + number, shape, rate) for number, rate in enumerate(rates)]
        for step in steps
    ]
    return np.array(scales, np.float32).reshape(len(steps), len(rates), *shape)
