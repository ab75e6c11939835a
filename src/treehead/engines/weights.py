"""Initial weights and their names, drawn in NumPy, so that every engine starts from the same ones."""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from treehead.inputs import shown_path
from treehead.spec import (
    WHITENING,
    BatchNorm2d,
    Conv2d,
    Layer,
    LeakyReLU,
    Linear,
    NetSpec,
    Residual,
    parameter_shapes,
)
from treehead.types import Array, UserError, Weights


def initial_weights(
    spec: NetSpec,
    *,
    seed: int,
    init: Literal["he", "dirac"] = "he",
    head_init: float = 1.0,
    whitening: Array | None = None,
) -> Weights:
    """Parameters and buffers of an untrained network.

        weight ~ Normal(0, sqrt(2 / ((1 + slope^2) * fan_in)))        (convolutions, linear layers)
        weight[i] = 1 at the centre of input channel i, else 0        (dirac: i < in_channels, out_channels)

    Conventions: fan_in = in_channels * kernel_size^2; slope is that of the network's activation, for the heads too;
        biases 0; batch norm weight 1, bias 0, running mean 0 and variance 1. float32, drawn in the order of the spec.
        The heads' weights are multiplied by `head_init`. `whitening` is the kernel of the frozen convolution; without
        it, that too is drawn. The centre of an even kernel is its pixel kernel_size // 2, as in torch.nn.init.dirac_.
    Source: He et al. 2015, arXiv:1502.01852, eq. 15 (slope: eq. 14); dirac: Zagoruyko & Komodakis 2017,
        arXiv:1706.00388, with only as many copies as there are inputs as in Jordan 2024, arXiv:2404.00498.
    """
    rng = np.random.default_rng([seed, 0])
    layers = list(_named_layers(spec))
    slope = next((layer.slope for _, layer in layers if isinstance(layer, LeakyReLU)), 0.0)
    weights: Weights = {}
    for name, layer in layers:
        match layer:
            case Conv2d(in_channels, out_channels, kernel_size):
                shape = (out_channels, in_channels, kernel_size, kernel_size)
                kernel = _he_normal(rng, shape, slope)
                weights[f"{name}.weight"] = _with_copies(kernel) if init == "dirac" else kernel
            case Linear(in_features, out_features):
                weights[f"{name}.weight"] = _he_normal(rng, (out_features, in_features), slope)
                weights[f"{name}.bias"] = np.zeros(out_features, np.float32)
            case BatchNorm2d(num_channels):
                weights[f"{name}.weight"] = np.ones(num_channels, np.float32)
                weights[f"{name}.bias"] = np.zeros(num_channels, np.float32)
                weights[f"{name}.running_mean"] = np.zeros(num_channels, np.float32)
                weights[f"{name}.running_var"] = np.ones(num_channels, np.float32)
    for level, _ in spec.heads:
        weights[f"heads.{level}.weight"] *= np.float32(head_init)
    if whitening is not None:
        weights[f"trunk.{WHITENING}.weight"] = whitening
    return weights


def weight_shapes(spec: NetSpec) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter and buffer, by name, without drawing one."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in _named_layers(spec):
        shapes |= {f"{name}.{part}": shape for part, shape in parameter_shapes(layer).items()}
        if isinstance(layer, BatchNorm2d):
            shapes |= {f"{name}.{part}": (layer.num_channels,) for part in ("running_mean", "running_var")}
    return shapes


def check_weights(weights: Weights, expected: Mapping[str, Array | tuple[int, ...]]) -> None:
    """Raises: UserError: `weights` do not have exactly the names and shapes of `expected`, weights or shapes."""
    shapes = {name: value if isinstance(value, tuple) else value.shape for name, value in expected.items()}
    names = shapes.keys() | weights.keys()
    differences = [difference for name in sorted(names) if (difference := _difference(name, weights, shapes))]
    if differences:
        raise UserError(f"the weights belong to another network: {differences[0]}")


def _difference(name: str, weights: Weights, expected: Mapping[str, tuple[int, ...]]) -> str | None:
    if name not in weights:
        return f"{name} is missing"
    if name not in expected:
        return f"{shown_path(name)} is not part of this network"
    if weights[name].shape != expected[name]:
        return f"{name} is {weights[name].shape}, expected {expected[name]}"
    return None


def _named_layers(spec: NetSpec) -> Iterator[tuple[str, Layer]]:
    for prefix, layers in (("trunk", spec.trunk), ("heads", spec.heads)):
        for name, layer in layers:
            if isinstance(layer, Residual):
                yield from ((f"{prefix}.{name}.{inner}", part) for inner, part in layer.body)
            else:
                yield f"{prefix}.{name}", layer


def _with_copies(kernel: Array) -> Array:
    """The kernel (OIHW), but its first outputs copy an input channel each."""
    copies, centre = min(kernel.shape[:2]), kernel.shape[2] // 2
    kernel[:copies] = 0
    kernel[np.arange(copies), np.arange(copies), centre, centre] = 1
    return kernel


def _he_normal(rng: np.random.Generator, shape: tuple[int, ...], slope: float) -> Array:
    fan_in = int(np.prod(shape[1:]))
    std = np.sqrt(2 / ((1 + slope**2) * fan_in))
    return (std * rng.standard_normal(shape)).astype(np.float32)
