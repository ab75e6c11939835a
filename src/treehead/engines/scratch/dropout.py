"""Dropout with the masks of the epoch plan."""

from treehead.data.augment import dropout_scale
from treehead.engines.scratch.layer import Backward, Mode, Plain
from treehead.types import Array


class Dropout(Plain):
    """Drop a fraction of the features in training and scale the others up; identity in inference.

        y = x * scale;  dx = dy * scale          scale: 0, or 1 / (1 - rate)

    Shapes: x, y, scale: (N, F). Conventions: scale is `dropout_scale` of the mode's seed.
    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        if not mode.training:
            return x, lambda dy: dy
        scale = dropout_scale(mode.dropout_seed, x.shape, self.rate).astype(x.dtype)

        def backward(dy: Array) -> Array:
            return dy * scale

        return x * scale, backward
