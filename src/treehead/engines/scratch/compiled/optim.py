"""Adam in one pass over memory."""

import numpy as np

from treehead.engines.scratch.compiled.jit import kernel
from treehead.types import Array


@kernel
def adam_step(value: Array, grad: Array, mean: Array, mean_square: Array, numbers: tuple[float, ...]) -> None:
    keep, rate, unbias2, b1, b2, eps = numbers
    one = value.dtype.type(1)
    for i in range(value.size):
        g = grad[i]
        m = mean[i] + (one - b1) * (g - mean[i])
        v = mean_square[i] + (one - b2) * (g * g - mean_square[i])
        mean[i], mean_square[i] = m, v
        value[i] = value[i] * keep - rate * m / (np.sqrt(v / unbias2) + eps)
