"""Activations without a norm before them; those after a norm are fused into it, see `norm`."""

import numpy as np

from treehead.engines.scratch.layer import Backward, Mode, Plain
from treehead.types import Array


class LeakyReLU(Plain):
    """Pass positives, scale negatives: y = x if x > 0 else slope * x. A slope of 0 is ReLU.

    Shapes: x, y: any shape, same dtype.
    Conventions: the derivative at exactly 0 is `slope` (as in PyTorch).
    Source: Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models".
    """

    def __init__(self, slope: float = 0.0) -> None:
        self.slope = slope

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        gain = np.where(x > 0, 1, self.slope).astype(x.dtype)

        def backward(dy: Array) -> Array:
            return dy * gain

        return x * gain, backward
