"""Every layer's backward and every loss's gradient against central differences, in float64.

Axes: N images, H W image, C channels.
"""

from collections.abc import Callable

import numpy as np
import pytest

from treehead.engines.objective import MixedLabels, Objective, level_losses, level_losses_with_backward
from treehead.engines.scratch.activation import LeakyReLU, SiLU
from treehead.engines.scratch.convolution import Conv2d
from treehead.engines.scratch.dropout import Dropout
from treehead.engines.scratch.gradcheck import gradient_error
from treehead.engines.scratch.layer import Backward, Layer, Mode, Plain
from treehead.engines.scratch.linear import Linear
from treehead.engines.scratch.norm import BatchNorm2d
from treehead.engines.scratch.pooling import GlobalAvgMaxPool, GlobalAvgPool, MaxPool2d
from treehead.engines.scratch.residual import Residual, Sequential
from treehead.engines.scratch.winograd import WinogradConv2d
from treehead.types import Array

FLOAT = np.float64


def small_conv() -> WinogradConv2d:
    return WinogradConv2d(3, 3, dtype=FLOAT)


def norm(slope: float = 1.0) -> BatchNorm2d:
    return BatchNorm2d(3, slope=slope, dtype=FLOAT)


CASES: dict[str, tuple[Callable[[], Layer], tuple[int, ...]]] = {
    "conv": (lambda: Conv2d(3, 4, dtype=FLOAT), (2, 5, 4, 3)),
    "conv-stride2": (lambda: Conv2d(3, 4, stride=2, dtype=FLOAT), (2, 5, 6, 3)),
    "conv-1x1": (lambda: Conv2d(3, 4, 1, dtype=FLOAT), (2, 4, 4, 3)),
    "conv-5x5": (lambda: Conv2d(2, 3, 5, dtype=FLOAT), (2, 5, 5, 2)),
    "conv-2x2": (lambda: Conv2d(3, 4, 2, dtype=FLOAT), (2, 4, 5, 3)),
    "conv-4x4-stride2": (lambda: Conv2d(2, 3, 4, 2, dtype=FLOAT), (2, 6, 7, 2)),
    "conv-frozen": (lambda: Conv2d(3, 4, 2, frozen=True, dtype=FLOAT), (2, 4, 5, 3)),
    "winograd": (small_conv, (2, 8, 4, 3)),
    "winograd-2x2-pixels": (small_conv, (3, 2, 2, 3)),
    "winograd-ragged": (lambda: WinogradConv2d(2, 3, dtype=FLOAT), (2, 5, 7, 2)),
    "batch_norm": (norm, (3, 3, 2, 3)),
    "batch_norm-relu": (lambda: norm(0.0), (3, 3, 2, 3)),
    "batch_norm-leaky": (lambda: norm(0.1), (3, 3, 2, 3)),
    "relu": (LeakyReLU, (4, 6)),
    "leaky_relu": (lambda: LeakyReLU(0.1), (4, 6)),
    "silu": (SiLU, (4, 6)),
    "max_pool": (MaxPool2d, (2, 4, 6, 3)),
    "max_pool-3x3-cut": (lambda: MaxPool2d(3), (2, 7, 8, 2)),
    "global_avg_pool": (GlobalAvgPool, (2, 3, 4, 3)),
    "global_avg_max_pool": (GlobalAvgMaxPool, (2, 3, 4, 3)),
    "dropout": (lambda: Dropout(0.4), (4, 6)),
    "linear": (lambda: Linear(6, 5, dtype=FLOAT), (4, 6)),
    "sequential": (lambda: Sequential([("conv", small_conv()), ("norm", norm(0.1))]), (2, 4, 4, 3)),
    "residual": (lambda: Residual([("conv", small_conv())], ("norm", norm())), (2, 4, 4, 3)),
    "residual-leaky": (lambda: Residual([("conv", small_conv())], ("norm", norm(0.1))), (2, 4, 4, 3)),
}
INFERENCE = ("batch_norm", "batch_norm-leaky", "residual")


def spread_out(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Values at least 0.01 apart and from zero: no ReLU kink, no max-pool tie within a step."""
    size = int(np.prod(shape))
    grid = (np.arange(size) - size / 2 + 0.5) * 0.02
    return np.random.default_rng(seed).permutation(grid).reshape(shape)


def drawn(layer: Layer, seed: int = 5) -> Layer:
    """The layer with parameters that are neither 0 nor 1."""
    rng = np.random.default_rng(seed)
    for param in layer.params().values():
        param.value += rng.standard_normal(param.value.shape)
    for name, buffer in layer.buffers().items():
        buffer += rng.random(buffer.shape) if name.endswith("var") else rng.standard_normal(buffer.shape)
    return layer


@pytest.mark.parametrize("case", CASES)
def test_backward_matches_central_differences(case: str) -> None:
    make, shape = CASES[case]
    errors = gradient_error(drawn(make()), spread_out(shape))
    assert max(errors.values()) < 1e-6, errors


@pytest.mark.parametrize("case", INFERENCE)
def test_backward_matches_in_inference_too(case: str) -> None:
    make, shape = CASES[case]
    errors = gradient_error(drawn(make()), spread_out(shape), training=False)
    assert max(errors.values()) < 1e-6, errors


def test_a_frozen_kernel_is_a_buffer_without_a_gradient() -> None:
    layer = Conv2d(3, 4, 2, frozen=True, dtype=FLOAT)
    assert gradient_error(drawn(layer), spread_out((2, 4, 5, 3))).keys() == {"x"}
    assert layer.buffers()["weight"] is layer.weight.value
    assert not layer.weight.grad.any()


@pytest.mark.parametrize("kind", [Conv2d, WinogradConv2d])
def test_the_first_convolution_has_the_same_kernel_gradient_but_no_dx(kind: type[Conv2d | WinogradConv2d]) -> None:
    plain, first = (drawn(kind(3, 4, first=is_first, dtype=FLOAT)) for is_first in (False, True))
    x, dy = spread_out((2, 5, 6, 3)), np.random.default_rng(1).standard_normal((2, 5, 6, 4))
    dx, nothing = (layer.forward(x, Mode(training=True))[1](dy) for layer in (plain, first))
    assert dx.shape == x.shape
    assert nothing.size == 0
    np.testing.assert_array_equal(plain.params()["weight"].grad, first.params()["weight"].grad)


class NoBackward(Plain):
    """A layer that fails if its backward is called."""

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        def backward(dy: Array) -> Array:
            raise AssertionError("the gradient is not needed")

        return x, backward


def test_nothing_before_the_first_parameters_has_a_backward() -> None:
    layers = [("frozen", NoBackward()), ("conv", Conv2d(3, 4, first=True, dtype=FLOAT)), ("act", SiLU())]
    trunk = Sequential(layers, first=True)
    y, backward = trunk.forward(spread_out((2, 5, 6, 3)), Mode(training=True))
    backward(np.ones_like(y))
    assert trunk.params()["conv.weight"].grad.any()
    with pytest.raises(AssertionError, match="the gradient is not needed"):
        Sequential(layers[:1]).forward(y, Mode(training=True))[1](y)


class Twice(Plain):
    """A layer whose backward forgets a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        return self.factor * x, lambda dy: 1.9 * dy


def test_a_wrong_backward_is_seen_and_a_zero_gradient_refused() -> None:
    assert gradient_error(Twice(2.0), spread_out((3, 4)))["x"] > 0.04
    with pytest.raises(ValueError, match="the gradient of weight is zero: the check proves nothing"):
        gradient_error(drawn(Linear(4, 2, dtype=FLOAT)), np.zeros((3, 4)))


SIZES = (6, 3, 2)
ANCESTORS = np.array([np.arange(6), np.arange(6) // 2, np.arange(6) // 4])


def objective(**choices: object) -> Objective:
    rng = np.random.default_rng(3)
    targets = tuple(0.9 * np.eye(size) + 0.1 / size for size in SIZES)
    costs = tuple(rng.integers(1, 4, (size, size)) * (1 - np.eye(size)) for size in SIZES)
    return Objective(targets, costs=costs, ancestors=ANCESTORS, **choices)  # pyright: ignore[reportArgumentType]


LOSSES = {
    "cross_entropy": objective(),
    "severity": objective(severity_alpha=1.5),
    "expected_severity": objective(expected_severity=0.7),
    "marginal": objective(marginal=np.array([0.0, 0.3, 0.2])),
    "class_weights": objective(class_weights=tuple(np.linspace(0.5, 2, size) for size in SIZES)),
    "all": objective(severity_alpha=0.5, expected_severity=0.4, marginal=np.array([0.0, -0.1, 0.4])),
}


def mixed_labels(num: int = 7) -> MixedLabels:
    """Some labels unknown, some images mixed."""
    rng = np.random.default_rng(1)
    own = ANCESTORS.T[rng.integers(6, size=num)].copy()
    own[2, 0] = own[3, 1] = own[3, 2] = -1
    share = np.where(np.arange(num) % 2, rng.random(num), 0).astype(np.float32)
    return MixedLabels(own, own[::-1].copy(), share)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_every_loss(name: str) -> None:
    rng = np.random.default_rng(0)
    logits = [rng.standard_normal((7, size)) for size in SIZES]
    labels, step = mixed_labels(), 1e-6
    gradients = level_losses_with_backward(LOSSES[name], logits, labels)[1](np.ones(3))
    for level, gradient in enumerate(gradients):
        numeric = np.zeros_like(gradient)
        for i in np.ndindex(gradient.shape):
            middle = logits[level][i]
            sides = []
            for place in (middle + step, middle - step):
                logits[level][i] = place
                sides.append(level_losses_with_backward(LOSSES[name], logits, labels)[0][level])
            logits[level][i] = middle
            numeric[i] = (sides[0] - sides[1]) / (2 * step)
        assert np.linalg.norm(numeric) > 0.01
        assert np.linalg.norm(gradient - numeric) < 1e-6 * np.linalg.norm(numeric)


@pytest.mark.parametrize("name", LOSSES)
def test_level_weights_scale_the_gradient_of_each_head(name: str) -> None:
    logits = [np.random.default_rng(0).standard_normal((7, size)) for size in SIZES]
    _, backward = level_losses_with_backward(LOSSES[name], logits, mixed_labels())
    weights = np.array([2.0, 0.0, 0.5])
    for scaled, plain, weight in zip(backward(weights), backward(np.ones(3)), weights, strict=True):
        np.testing.assert_allclose(scaled, weight * plain)


@pytest.mark.parametrize("name", LOSSES)
def test_a_mixed_image_counts_as_both(name: str) -> None:
    logits = [np.random.default_rng(0).standard_normal((7, size)) for size in SIZES]
    own, partner = ANCESTORS.T[[0, 1, 2, 3, 4, 5, 0]], ANCESTORS.T[[5, 4, 3, 2, 1, 0, 2]]
    mixed, _ = level_losses_with_backward(LOSSES[name], logits, MixedLabels(own, partner, np.full(7, 0.25)))
    expected = 0.75 * level_losses(LOSSES[name], logits, own) + 0.25 * level_losses(LOSSES[name], logits, partner)
    np.testing.assert_allclose(mixed, expected)
