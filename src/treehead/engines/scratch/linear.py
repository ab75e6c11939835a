"""The fully connected layer."""

import numpy as np

from treehead.engines.scratch.layer import Backward, Mode, Param
from treehead.types import Array


class Linear:
    """A weighted sum of the features for every output.

        y = x @ weight.T + bias
        dx = dy @ weight;  dweight = dy.T @ x;  dbias = sum_n dy[n]

    Shapes: x: (N, in_features); y: (N, out_features); weight: (out_features, in_features); bias: (out_features,).
    Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".
    """

    def __init__(self, in_features: int, out_features: int, *, dtype: type[np.floating] = np.float32) -> None:
        self.weight = Param(np.zeros((out_features, in_features), dtype))
        self.bias = Param(np.zeros(out_features, dtype))

    def params(self) -> dict[str, Param]:
        return {"weight": self.weight, "bias": self.bias}

    def buffers(self) -> dict[str, Array]:
        return {}

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        def backward(dy: Array) -> Array:
            self.weight.grad[...] = dy.T @ x
            self.bias.grad[...] = dy.sum(axis=0)
            return dy @ self.weight.value

        return x @ self.weight.value.T + self.bias.value, backward
