"""Activations as layers of their own; a leaky ReLU after a norm is fused into it, see `norm`."""

import numpy as np

from treehead.engines.scratch.kernels import compiled_in
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


class SiLU(Plain):
    """Multiply every value by its logistic sigmoid: y = x * s, s = 1 / (1 + exp(-x)).

        dx = dy * gain,  gain = s + y * (1 - s)

    Shapes: x, y: any shape, same dtype.
    Source: Elfwing, Uchibe & Doya 2018, arXiv:1702.03118.
    """

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        y, gain = (mode.work.empty(x.shape, x.dtype) for _ in range(2))
        block = max(1, 2**19 // x[0].nbytes)

        def forward_block(start: int, stop: int) -> None:
            silu(x[start:stop].ravel(), y[start:stop].ravel(), gain[start:stop].ravel())

        def backward(dy: Array) -> Array:
            dx = mode.work.empty(x.shape, x.dtype)

            def backward_block(start: int, stop: int) -> None:
                np.multiply(dy[start:stop], gain[start:stop], out=dx[start:stop])

            mode.work.over_blocks(backward_block, len(x), block=block)
            return dx

        mode.work.over_blocks(forward_block, len(x), block=block)
        return y, backward


@compiled_in("activation")
def silu(x: Array, y: Array, gain: Array) -> None:
    """y = x * s and gain = s + y * (1 - s), with s the sigmoid of x. Shapes: (n,); y, gain: written.

    Conventions: x below -80 counts as -80, where s is 2e-35, so that the exponential stays finite in float32.
    """
    s = 1 / (1 + np.exp(-np.maximum(x, x.dtype.type(-80))))
    y[...] = x * s
    gain[...] = s + y * (1 - s)
