"""The network as data: a trunk and a head per level, read by engines, summary, export and report.

Axes: C channels, H W image; shapes are those of one image, without the batch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from treehead.config import LeakyReluConfig, NetworkConfig, SiluConfig, StageConfig
from treehead.types import UserError

Shape: TypeAlias = tuple[int, ...]

WHITENING = "whitening"
"""The name of the patch-whitening convolution in the trunk."""


@dataclass(frozen=True, slots=True)
class Conv2d:
    """Cross-correlation without bias (the batch norm has one).

    An odd kernel is padded to keep H W at stride 1, an even one is not padded. A frozen kernel is not trained.
    """

    in_channels: int
    out_channels: int
    kernel_size: int = 3
    stride: int = 1
    frozen: bool = False

    @property
    def padding(self) -> int:
        return self.kernel_size // 2 if self.kernel_size % 2 else 0


@dataclass(frozen=True, slots=True)
class BatchNorm2d:
    num_channels: int


@dataclass(frozen=True, slots=True)
class LeakyReLU:
    """x if x > 0 else slope * x; a slope of 0 is ReLU."""

    slope: float = 0.0


@dataclass(frozen=True, slots=True)
class SiLU:
    """x * sigmoid(x)."""


@dataclass(frozen=True, slots=True)
class MaxPool2d:
    """Largest of each kernel_size x kernel_size window, windows do not overlap; a remainder at the edge is cut."""

    kernel_size: int = 2


@dataclass(frozen=True, slots=True)
class GlobalAvgPool:
    """Mean over the image plane: (C, H, W) -> (C,)."""


@dataclass(frozen=True, slots=True)
class GlobalAvgMaxPool:
    """Mean over the image plane, then its maximum: (C, H, W) -> (2 * C,)."""


@dataclass(frozen=True, slots=True)
class Dropout:
    rate: float


@dataclass(frozen=True, slots=True)
class Linear:
    in_features: int
    out_features: int


@dataclass(frozen=True, slots=True)
class Residual:
    """x + body(x); the body keeps the shape."""

    body: tuple[tuple[str, "Layer"], ...]


Activation: TypeAlias = LeakyReLU | SiLU
Layer: TypeAlias = (
    Conv2d | BatchNorm2d | Activation | MaxPool2d | GlobalAvgPool | GlobalAvgMaxPool | Dropout | Linear | Residual
)


@dataclass(frozen=True, slots=True)
class NetSpec:
    """A trunk of named layers, then one linear head per level, each named like its level."""

    input_shape: tuple[int, int, int]
    trunk: tuple[tuple[str, Layer], ...]
    heads: tuple[tuple[str, Linear], ...]


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A row of the summary. multiply_adds counts those of one image in convolutions and linear layers."""

    name: str
    kind: str
    output: Shape
    parameters: int
    multiply_adds: int


def build_spec(
    network: NetworkConfig, *, input_shape: tuple[int, int, int], levels: tuple[str, ...], sizes: tuple[int, ...]
) -> NetSpec:
    """The layers of `network` for images of `input_shape` (C, H, W), with a head of sizes[l] classes per level.

    Raises: UserError: the image is too small for the number of halvings.
    """
    _check_input(input_shape)
    network = grown(network, min(input_shape[1:]))
    act = _activation(network)
    check_size(network, *input_shape[1:])
    trunk: list[tuple[str, Layer]] = []
    channels = input_shape[0]
    if network.whitening_px:
        patch = channels * network.whitening_px**2
        trunk += [
            (WHITENING, Conv2d(channels, 2 * patch, network.whitening_px, frozen=True)),
            (f"{WHITENING}_act", act),
        ]
        channels = 2 * patch
    for number, stage in enumerate(network.stages, 1):
        layers = _stage(f"stage{number}", stage, channels, act)
        trunk += layers if network.norm == "batch" else _without_norms(layers)
        channels = stage.width
    if network.pool == "mean_max":
        trunk.append(("pool", GlobalAvgMaxPool()))
        channels *= 2
    else:
        trunk.append(("pool", GlobalAvgPool()))
    for number, width in enumerate(network.hidden, 1):
        trunk += [(f"hidden{number}", Linear(channels, width)), (f"hidden{number}_act", act)]
        channels = width
    if network.dropout:
        trunk.append(("dropout", Dropout(network.dropout)))
    heads = tuple((level, Linear(channels, size)) for level, size in zip(levels, sizes, strict=True))
    return _checked(NetSpec(input_shape, tuple(trunk), heads))


MOST_PARAMETERS, MOST_LAYERS, MOST_VALUES = 100_000_000, 5_000, 2**26
"""Of a network; and values of an image, or of one after a layer. Beyond, they would fill the memory of a machine."""


def _check_input(shape: Shape) -> None:
    """Raises: UserError: the shape is not that of an image, or of an enormous one."""
    if len(shape) != 3 or min(shape) < 1 or prod(shape) > MOST_VALUES:
        raise UserError(f"images of shape {shape} are not supported; (C, H, W) has at most {MOST_VALUES:,} values")


def _checked(spec: NetSpec) -> NetSpec:
    """Raises: UserError: the network is too large for any use, so that building it would only fill the memory."""
    lines = rows(spec)
    total, most = sum(line.parameters for line in lines), max(prod(line.output) for line in lines)
    for name, count, limit in (
        ("layers", len(lines), MOST_LAYERS),
        ("parameters", total, MOST_PARAMETERS),
        ("values per image after one of its layers", most, MOST_VALUES),
    ):
        if count > limit:
            raise UserError(f"the network has {count:,} {name}, at most {limit:,} are supported; make it smaller")
    return spec


def _activation(network: NetworkConfig) -> Activation:
    match network.activation:
        case SiluConfig():
            return SiLU()
        case LeakyReluConfig(slope=slope):
            return LeakyReLU(slope)
        case _:
            return LeakyReLU()


def check_size(network: NetworkConfig, height: int, width: int) -> None:
    """Raises: UserError: an image of this size is too small for the number of halvings and unpadded convolutions."""
    halvings = sum(stage.shrink != "none" for stage in network.stages)
    size = min(height, width) - _cut(network.whitening_px)
    for stage in network.stages:
        size -= _cut(stage.kernel_size)
        size = size if stage.shrink == "none" else size // 2
    if size < 1:
        raise UserError(
            f"network.stages halve the image {halvings} times, but it is {height}x{width} pixels; "
            f"use fewer stages, shrink = 'none', or larger images"
        )


def _cut(kernel_size: int) -> int:
    """Pixels that a convolution takes off the side of an image: even kernels are not padded; 0 is no convolution."""
    return kernel_size - 1 if kernel_size and kernel_size % 2 == 0 else 0


LARGEST_FEATURES_PX, NARROWEST = 8, 16


def grown(network: NetworkConfig, image_px: int) -> NetworkConfig:
    """`network` for images of image_px; with `grow`, stages are prepended until the last feature map is small.

    Conventions: a prepended stage has half the width of the next, at least 16, and no residual blocks, so that large
        feature maps are cheap; 32 and 64 pixels leave the default stages as they are, 96 and 128 add one, 224 two.
    """
    stages = network.stages
    halvings = sum(stage.shrink != "none" for stage in stages)
    while network.grow and image_px >> halvings > LARGEST_FEATURES_PX:
        width = min(stages[0].width, max(NARROWEST, stages[0].width // 2))
        stages = (StageConfig(width=width, residuals=0), *stages)
        halvings += 1
    return network.model_copy(update={"stages": stages, "grow": False})


def _stage(name: str, stage: StageConfig, channels: int, act: Activation) -> Iterator[tuple[str, Layer]]:
    width, middle = stage.width, stage.middle or stage.width
    first, second = stage.residual_kernels
    yield f"{name}_conv", Conv2d(channels, width, stage.kernel_size, 2 if stage.shrink == "stride" else 1)
    if stage.shrink == "pool":
        yield f"{name}_pool", MaxPool2d()  # before the norm: a quarter of the values to normalise
    yield f"{name}_norm", BatchNorm2d(width)
    yield f"{name}_act", act
    for number in range(1, stage.residuals + 1):
        body = (
            ("conv1", Conv2d(width, middle, first)),
            ("norm1", BatchNorm2d(middle)),
            ("act1", act),
            ("conv2", Conv2d(middle, width, second)),
            ("norm2", BatchNorm2d(width)),
        )
        yield f"{name}_residual{number}", Residual(body)
        yield f"{name}_residual{number}_act", act


def _without_norms(layers: Iterable[tuple[str, Layer]]) -> Iterator[tuple[str, Layer]]:
    """The same layers without batch norms among them nor in a residual body."""
    for name, layer in layers:
        if isinstance(layer, Residual):
            yield name, Residual(tuple(_without_norms(layer.body)))
        elif not isinstance(layer, BatchNorm2d):
            yield name, layer


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """Shape of one image after `layer`."""
    match layer:
        case Conv2d(_, out_channels, kernel_size, stride):
            after = ((size + 2 * layer.padding - kernel_size) // stride + 1 for size in shape[1:])
            return (out_channels, *after)
        case MaxPool2d(kernel_size):
            return (shape[0], *(size // kernel_size for size in shape[1:]))
        case GlobalAvgPool():
            return shape[:1]
        case GlobalAvgMaxPool():
            return (2 * shape[0],)
        case Linear(_, out_features):
            return (out_features,)
        case _:
            return shape


def parameter_shapes(layer: Layer) -> dict[str, Shape]:
    """Parameters of a layer by name, frozen ones too; kernels are OIHW, linear weights (out, in)."""
    match layer:
        case Conv2d(in_channels, out_channels, kernel_size):
            return {"weight": (out_channels, in_channels, kernel_size, kernel_size)}
        case BatchNorm2d(num_channels):
            return {"weight": (num_channels,), "bias": (num_channels,)}
        case Linear(in_features, out_features):
            return {"weight": (out_features, in_features), "bias": (out_features,)}
        case Residual(body):
            return {f"{n}.{p}": s for n, inner in body for p, s in parameter_shapes(inner).items()}
        case _:
            return {}


def rows(spec: NetSpec) -> list[LayerRow]:
    """The summary, a row per layer, including those of residual bodies."""
    lines, shape = _rows("trunk", spec.trunk, spec.input_shape)
    for level, head in spec.heads:
        lines += _rows("heads", ((level, head),), shape)[0]
    return lines


def _rows(prefix: str, layers: tuple[tuple[str, Layer], ...], shape: Shape) -> tuple[list[LayerRow], Shape]:
    lines: list[LayerRow] = []
    for short, layer in layers:
        name = f"{prefix}.{short}"
        if isinstance(layer, Residual):
            lines += _rows(name, layer.body, shape)[0]
            lines.append(LayerRow(name, "Residual sum", shape, 0, 0))
            continue
        shape = output_shape(layer, shape)
        shapes = parameter_shapes(layer)
        uses = prod(shape[1:]) if isinstance(layer, Conv2d) else 1  # how often each weight is used per image
        multiply_adds = uses * prod(shapes["weight"]) if isinstance(layer, Conv2d | Linear) else 0
        parameters = 0 if is_frozen(layer) else sum(map(prod, shapes.values()))
        lines.append(LayerRow(name, _kind(layer), shape, parameters, multiply_adds))
    return lines, shape


def is_frozen(layer: Layer) -> bool:
    """Whether the layer has parameters that are not trained."""
    return isinstance(layer, Conv2d) and layer.frozen


def _kind(layer: Layer) -> str:
    if layer == LeakyReLU(0.0):
        return "ReLU"
    return f"{type(layer).__name__}, frozen" if is_frozen(layer) else type(layer).__name__


def num_parameters(spec: NetSpec) -> int:
    """Trainable parameters of trunk and heads."""
    return sum(row.parameters for row in rows(spec))


def num_multiply_adds(spec: NetSpec) -> int:
    """Multiply-adds of one forward pass of one image, in convolutions and linear layers."""
    return sum(row.multiply_adds for row in rows(spec))


def num_training_multiply_adds(spec: NetSpec) -> int:
    """Multiply-adds of one forward and one backward pass of one image, in convolutions and linear layers.

    Conventions: a layer is computed once forward, once for the gradient of its weights unless they are frozen, and
        once for the gradient of its input unless nothing before it is trained: the first trained layer costs twice its
        forward pass, a frozen first layer once, every other layer three times.
    """
    total, trained_before = 0, False
    for row in rows(spec):
        is_trained = row.parameters > 0
        total += row.multiply_adds * (1 + is_trained + trained_before)
        trained_before = trained_before or is_trained
    return total
