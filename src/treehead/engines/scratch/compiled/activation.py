"""The SiLU with its derivative, in one pass."""

import numpy as np

from treehead.engines.scratch.compiled.jit import kernel
from treehead.types import Array


@kernel
def silu(x: Array, y: Array, gain: Array) -> None:
    one = x.dtype.type(1)
    lowest = x.dtype.type(-80)
    for i in range(len(x)):
        s = one / (one + np.exp(-max(x[i], lowest)))
        y[i] = x[i] * s
        gain[i] = s + y[i] * (one - s)
