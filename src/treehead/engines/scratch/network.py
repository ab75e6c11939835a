"""NetSpec -> layers. Names are the spec's, so that weights need no mapping."""

from collections.abc import Callable, Iterator

import numpy as np

from treehead import spec
from treehead.engines.scratch.activation import LeakyReLU
from treehead.engines.scratch.convolution import Conv2d
from treehead.engines.scratch.dropout import Dropout
from treehead.engines.scratch.layer import Layer, Mode, Param
from treehead.engines.scratch.linear import Linear
from treehead.engines.scratch.norm import BatchNorm2d
from treehead.engines.scratch.pooling import GlobalAvgPool, MaxPool2d
from treehead.engines.scratch.residual import Residual, Sequential
from treehead.engines.scratch.winograd import WinogradConv2d
from treehead.types import Array, UserError


class Network:
    """The trunk and its heads. forward: (B, H, W, C) -> logits of each head, leaves first, and the way back.

    Conventions: the trunk's features fan out to all heads, so their gradient is the sum of the heads'. Nobody asks for
        the gradient of the images.
    Raises: UserError: the spec has a layer that this engine lacks.
    """

    def __init__(self, net: spec.NetSpec, *, dtype: type[np.floating] = np.float32) -> None:
        self.trunk = Sequential(list(_layers(net.trunk, dtype, first=True)))
        self.heads = {name: Linear(head.in_features, head.out_features, dtype=dtype) for name, head in net.heads}
        self._all = Sequential([("trunk", self.trunk), ("heads", Sequential(list(self.heads.items())))])

    def params(self) -> dict[str, Param]:
        return self._all.params()

    def buffers(self) -> dict[str, Array]:
        return self._all.buffers()

    def forward(self, x: Array, mode: Mode) -> tuple[list[Array], Callable[[list[Array]], None]]:
        features, trunk_backward = self.trunk.forward(x, mode)
        answers = [head.forward(features, mode) for head in self.heads.values()]

        def backward(dlogits: list[Array]) -> None:
            dfeatures = np.zeros_like(features)
            for (_, head_backward), dhead in zip(answers, dlogits, strict=True):
                dfeatures += head_backward(dhead)
            trunk_backward(dfeatures)

        return [logits for logits, _ in answers], backward


def _layers(
    named: tuple[tuple[str, spec.Layer], ...], dtype: type[np.floating], *, first: bool = False
) -> Iterator[tuple[str, Layer]]:
    """The layers of a spec; an activation after a norm or a residual sum is made by that one."""
    slopes = [layer.slope if isinstance(layer, spec.LeakyReLU) else None for _, layer in named]
    joined = False
    for (name, layer), follows in zip(named, [*slopes[1:], None], strict=True):
        if joined:
            joined = False
            continue
        joined = isinstance(layer, spec.BatchNorm2d | spec.Residual) and follows is not None
        yield name, _layer(name, layer, 1.0 if follows is None else follows, dtype, first=first)
        first = False


def _layer(name: str, layer: spec.Layer, slope: float, dtype: type[np.floating], *, first: bool) -> Layer:
    match layer:
        case spec.Conv2d(in_channels, out_channels, 3, 1) if not first:
            return WinogradConv2d(in_channels, out_channels, dtype=dtype)
        case spec.Conv2d(in_channels, out_channels, kernel_size, stride):
            return Conv2d(in_channels, out_channels, kernel_size, stride, first=first, dtype=dtype)
        case spec.BatchNorm2d(num_channels):
            return BatchNorm2d(num_channels, slope=slope, dtype=dtype)
        case spec.LeakyReLU(its_slope):
            return LeakyReLU(its_slope)
        case spec.MaxPool2d(kernel_size):
            return MaxPool2d(kernel_size)
        case spec.GlobalAvgPool():
            return GlobalAvgPool()
        case spec.Dropout(rate):
            return Dropout(rate)
        case spec.Linear(in_features, out_features):
            return Linear(in_features, out_features, dtype=dtype)
        case spec.Residual(body) if isinstance(body[-1][1], spec.BatchNorm2d):
            norm = BatchNorm2d(body[-1][1].num_channels, slope=slope, dtype=dtype)
            return Residual(list(_layers(body[:-1], dtype)), (body[-1][0], norm))
    what = "a residual sum that no norm ends" if isinstance(layer, spec.Residual) else str(layer)
    raise UserError(f"engine.kind = 'scratch' has no layer for {name}, {what}; use engine.kind=pytorch")
