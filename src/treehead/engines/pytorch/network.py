"""NetSpec -> torch modules. Module names are the spec's, so that state dicts need no mapping."""

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from treehead.spec import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    GlobalAvgMaxPool,
    GlobalAvgPool,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    NetSpec,
    Residual,
    SiLU,
)
from treehead.types import Array, UserError


class GlobalAvgPoolModule(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class GlobalAvgMaxPoolModule(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), functional.adaptive_max_pool2d(x, 1).flatten(1)], 1)


class ResidualModule(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:
        return input + super().forward(input)


class PlannedDropout(nn.Module):
    """Dropout with a given mask: the plan draws it, so that both engines drop the same features."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.scale: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        assert self.scale is not None, "set scale before a training pass"
        return x * self.scale


class Network(nn.Module):
    """The trunk and its heads. forward: (B, C, H, W) -> logits of each head, leaves first."""

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.trunk = nn.Sequential(OrderedDict((name, module_of(layer)) for name, layer in spec.trunk))
        for level, _ in spec.heads:
            if hasattr(nn.ModuleDict, level):
                raise UserError(f"a level cannot be called {level!r}, a name that torch reserves; choose another name")
        self.heads = nn.ModuleDict({name: module_of(layer) for name, layer in spec.heads})

    def forward(self, x: Tensor) -> list[Tensor]:
        features = self.trunk(x)
        return [head(features) for head in self.heads.values()]


def module_of(layer: Layer) -> nn.Module:
    """The torch module of one layer of a spec."""
    match layer:
        case Conv2d(in_channels, out_channels, kernel_size, stride, frozen):
            convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, layer.padding, bias=False)
            return convolution.requires_grad_(not frozen)
        case BatchNorm2d(num_channels):
            return nn.BatchNorm2d(num_channels)
        case LeakyReLU(slope):
            return nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)
        case SiLU():
            return nn.SiLU()
        case MaxPool2d(kernel_size):
            return nn.MaxPool2d(kernel_size)
        case GlobalAvgPool():
            return GlobalAvgPoolModule()
        case GlobalAvgMaxPool():
            return GlobalAvgMaxPoolModule()
        case Dropout(rate):
            return PlannedDropout(rate)
        case Linear(in_features, out_features):
            return nn.Linear(in_features, out_features)
        case Residual(body):
            return ResidualModule(OrderedDict((name, module_of(inner)) for name, inner in body))


def named_state(network: Network) -> dict[str, Tensor]:
    """Parameters and buffers by name, without torch's counters of batches."""
    named = network.state_dict(keep_vars=True)
    return {name: value for name, value in named.items() if not name.endswith("num_batches_tracked")}


def numpy_copy(value: Tensor) -> Array:
    """A NumPy copy, C-contiguous whatever the memory format."""
    return np.array(value.detach().cpu().numpy(), order="C", copy=True)
