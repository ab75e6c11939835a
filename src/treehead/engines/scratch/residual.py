"""Layers in sequence, and residual blocks."""

from collections.abc import Iterable, Sequence

from treehead.engines.scratch.layer import Backward, Layer, Mode, Param
from treehead.engines.scratch.norm import BatchNorm2d
from treehead.types import Array


class Sequential:
    """Each layer on the output of the one before it; backward in reverse order.

        y = layer_n(... layer_2(layer_1(x)))

    Conventions: with `first`, dx is not needed: the layers before the first parameters have no backward.
    """

    def __init__(self, layers: Sequence[tuple[str, Layer]], *, first: bool = False) -> None:
        self.layers = tuple(layers)
        self._without_backward = num_untrained(self.layers) if first else 0

    def params(self) -> dict[str, Param]:
        return {f"{name}.{inner}": p for name, layer in self.layers for inner, p in layer.params().items()}

    def buffers(self) -> dict[str, Array]:
        return {f"{name}.{inner}": b for name, layer in self.layers for inner, b in layer.buffers().items()}

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        backwards: list[Backward] = []
        for number, (_, layer) in enumerate(self.layers):
            x, backward = layer.forward(x, mode)
            if number >= self._without_backward:
                backwards.append(backward)
        return x, lambda dy: _chained(reversed(backwards), dy)


def num_untrained(layers: Sequence[tuple[str, Layer]]) -> int:
    """How many layers come before the first one with parameters."""
    return next((number for number, (_, layer) in enumerate(layers) if layer.params()), len(layers))


def _chained(backwards: Iterable[Backward], dy: Array) -> Array:
    for backward in backwards:
        dy = backward(dy)
    return dy


class Residual:
    """y = act(x + norm(body(x))). The gradient of a sum is the gradient of each of its terms.

    Shapes: x, y: (N, H, W, C).
    Conventions: the sum and the activation (`norm.slope`) are computed by the norm that ends the branch.
    Source: He et al. 2015, arXiv:1512.03385, figure 2.
    """

    def __init__(self, body: Sequence[tuple[str, Layer]], norm: tuple[str, BatchNorm2d]) -> None:
        self.body, self.norm = Sequential(body), norm[1]
        self._all = Sequential([*body, norm])

    def params(self) -> dict[str, Param]:
        return self._all.params()

    def buffers(self) -> dict[str, Array]:
        return self._all.buffers()

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        branch, body_backward = self.body.forward(x, mode)
        y, norm_backward = self.norm.forward_added(branch, x, mode)

        def backward(dy: Array) -> Array:
            dbranch, dx = norm_backward(dy)
            assert dx is not None, "the forward pass had an addend"
            dx += body_backward(dbranch)
            return dx

        return y, backward
