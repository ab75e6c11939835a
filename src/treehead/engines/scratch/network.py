"""NetSpec -> layers. Names are the spec's, so that weights need no mapping."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from treehead import spec
from treehead.engines.scratch.activation import LeakyReLU, SiLU
from treehead.engines.scratch.convolution import Conv2d
from treehead.engines.scratch.dropout import Dropout
from treehead.engines.scratch.layer import Layer, Mode, Param
from treehead.engines.scratch.linear import Linear
from treehead.engines.scratch.norm import BatchNorm2d
from treehead.engines.scratch.pooling import GlobalAvgMaxPool, GlobalAvgPool, MaxPool2d
from treehead.engines.scratch.residual import Residual, Sequential
from treehead.engines.scratch.winograd import WinogradConv2d
from treehead.types import Array, UserError

WINOGRAD_CHANNELS = 16
"""The first convolution of a network uses Winograd tiles from so many channels; an RGB image has too few to gain."""


class Network:
    """The trunk and its heads. forward: (B, H, W, C) -> logits of each head, leaves first, and its backward.

    Conventions: all heads read the trunk's features, so their gradient is the sum of the heads'. The gradient of the
        images is not computed.
    Raises: UserError: the spec has a layer that this engine lacks.
    """

    def __init__(self, net: spec.NetSpec, *, dtype: type[np.floating] = np.float32) -> None:
        self.trunk = Sequential(list(_layers(net.trunk, dtype, first=True)), first=True)
        self.heads = {name: Linear(head.in_features, head.out_features, dtype=dtype) for name, head in net.heads}
        self._all = Sequential([("trunk", self.trunk), ("heads", Sequential(list(self.heads.items())))])

    def params(self) -> dict[str, Param]:
        return self._all.params()

    def buffers(self) -> dict[str, Array]:
        return self._all.buffers()

    def forward(self, x: Array, mode: Mode) -> tuple[list[Array], Callable[[list[Array]], None]]:
        features, trunk_backward = self.trunk.forward(x, mode)
        outputs = [head.forward(features, mode) for head in self.heads.values()]

        def backward(dlogits: list[Array]) -> None:
            dfeatures = np.zeros_like(features)
            for (_, head_backward), dhead in zip(outputs, dlogits, strict=True):
                dfeatures += head_backward(dhead)
            trunk_backward(dfeatures)

        return [logits for logits, _ in outputs], backward


def _layers(
    named: tuple[tuple[str, spec.Layer], ...], dtype: type[np.floating], *, first: bool = False
) -> Iterator[tuple[str, Layer]]:
    """The layers of a spec; `first`: they are the first of the network."""
    for fused in _fused(named):
        layer = _layer(fused, dtype, first=first)
        first = first and not layer.params()  # whether the gradient of what comes next is needed
        yield fused.name, layer


class _Fused(NamedTuple):
    """A layer of a spec with the slope of the activation it computes itself; None if it computes none."""

    name: str
    layer: spec.Layer
    slope: float | None = None


def _fused(named: tuple[tuple[str, spec.Layer], ...]) -> list[_Fused]:
    """Fuse every activation that follows a norm or a residual sum into it."""
    fused: list[_Fused] = []
    for name, layer in named:
        before = fused[-1] if fused else None
        fusible = before and before.slope is None and isinstance(before.layer, spec.BatchNorm2d | spec.Residual)
        if before and fusible and isinstance(layer, spec.LeakyReLU):
            fused[-1] = before._replace(slope=layer.slope)
        else:
            fused.append(_Fused(name, layer))
    return fused


def _layer(fused: _Fused, dtype: type[np.floating], *, first: bool) -> Layer:
    name, layer, slope = fused.name, fused.layer, 1.0 if fused.slope is None else fused.slope
    match layer:
        case spec.Conv2d(in_channels, out_channels, 3, 1, False) if not first or in_channels >= WINOGRAD_CHANNELS:
            return WinogradConv2d(in_channels, out_channels, first=first, dtype=dtype)
        case spec.Conv2d(in_channels, out_channels, kernel_size, stride, frozen):
            return Conv2d(in_channels, out_channels, kernel_size, stride, first=first, frozen=frozen, dtype=dtype)
        case spec.BatchNorm2d(num_channels):
            return BatchNorm2d(num_channels, slope=slope, dtype=dtype)
        case spec.LeakyReLU(own_slope):
            return LeakyReLU(own_slope)
        case spec.SiLU():
            return SiLU()
        case spec.MaxPool2d(kernel_size):
            return MaxPool2d(kernel_size)
        case spec.GlobalAvgPool():
            return GlobalAvgPool()
        case spec.GlobalAvgMaxPool():
            return GlobalAvgMaxPool()
        case spec.Dropout(rate):
            return Dropout(rate)
        case spec.Linear(in_features, out_features):
            return Linear(in_features, out_features, dtype=dtype)
        case spec.Residual(body) if isinstance(body[-1][1], spec.BatchNorm2d):
            norm = BatchNorm2d(body[-1][1].num_channels, slope=slope, dtype=dtype)
            return Residual(list(_layers(body[:-1], dtype)), (body[-1][0], norm))
    kind = "a residual block that does not end in a norm" if isinstance(layer, spec.Residual) else str(layer)
    raise UserError(f"the scratch engine does not support the layer {name}, {kind}; use engine.kind=pytorch")
