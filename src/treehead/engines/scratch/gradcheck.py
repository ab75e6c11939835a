"""Gradient check of a backward pass by central differences."""

import numpy as np

from treehead.engines.scratch.layer import Backward, Layer, Mode
from treehead.types import Array


def gradient_error(
    layer: Layer, x: Array, *, training: bool = True, seed: int = 0, step: float = 1e-6
) -> dict[str, float]:
    """Relative error of backward against central differences, for x and every parameter.

    Shapes: x: whatever the layer takes, float64.
    Conventions: error = |a - n| / max(|a|, |n|) in the 2-norm, for a random cotangent: with all ones, the true gradient
        of a batch norm is zero and a wrong one passes. The check updates running statistics.
    Raises: ValueError: the gradient is zero, so the check would prove nothing.
    """

    def run() -> tuple[Array, Backward]:
        return layer.forward(x, Mode(training=training, dropout_seed=seed))

    y, backward = run()
    dy = np.random.default_rng(seed + 1).standard_normal(y.shape)
    analytic = {"x": backward(dy).copy()} | {name: param.grad.copy() for name, param in layer.params().items()}
    errors = {}
    for name, array in ({"x": x} | {name: param.value for name, param in layer.params().items()}).items():
        numeric = np.zeros_like(array)
        for i in np.ndindex(array.shape):
            middle = array[i]
            array[i] = middle + step
            above = (run()[0] * dy).sum()
            array[i] = middle - step
            below = (run()[0] * dy).sum()
            array[i] = middle
            numeric[i] = (above - below) / (2 * step)
        size = max(np.linalg.norm(analytic[name]), np.linalg.norm(numeric))
        if size < 1e-8:
            raise ValueError(f"the gradient of {name} is zero: the check proves nothing")
        errors[name] = float(np.linalg.norm(analytic[name] - numeric) / size)
    return errors
