"""Every layer against PyTorch's, in float64: outputs, gradients and buffers. Ours are NHWC, theirs NCHW."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from treehead import spec
from treehead.engines.pytorch.network import PlannedDropout, module_of
from treehead.engines.scratch.activation import LeakyReLU, SiLU
from treehead.engines.scratch.convolution import Conv2d
from treehead.engines.scratch.dropout import Dropout
from treehead.engines.scratch.layer import Layer, Mode
from treehead.engines.scratch.linear import Linear
from treehead.engines.scratch.norm import BatchNorm2d
from treehead.engines.scratch.pooling import GlobalAvgMaxPool, GlobalAvgPool, MaxPool2d
from treehead.engines.scratch.residual import Residual, Sequential
from treehead.engines.scratch.winograd import WinogradConv2d
from treehead.types import Array

torch = pytest.importorskip("torch")
FLOAT = np.float64


def norm(slope: float = 1.0) -> BatchNorm2d:
    return BatchNorm2d(3, slope=slope, dtype=FLOAT)


def conv() -> WinogradConv2d:
    return WinogradConv2d(3, 3, dtype=FLOAT)


BODY = (("conv", spec.Conv2d(3, 3)), ("norm", spec.BatchNorm2d(3)))
BOTH = [("conv", conv), ("norm", norm)]

CASES: dict[str, tuple[Callable[[], Layer], list[spec.Layer], tuple[int, ...]]] = {
    "conv": (lambda: Conv2d(3, 4, dtype=FLOAT), [spec.Conv2d(3, 4)], (2, 5, 4, 3)),
    "conv-stride2": (lambda: Conv2d(3, 4, 3, 2, dtype=FLOAT), [spec.Conv2d(3, 4, 3, 2)], (2, 5, 6, 3)),
    "conv-1x1-stride2": (lambda: Conv2d(3, 4, 1, 2, dtype=FLOAT), [spec.Conv2d(3, 4, 1, 2)], (2, 5, 4, 3)),
    "conv-2x2": (lambda: Conv2d(3, 4, 2, dtype=FLOAT), [spec.Conv2d(3, 4, 2)], (2, 5, 4, 3)),
    "conv-4x4-stride2": (lambda: Conv2d(3, 4, 4, 2, dtype=FLOAT), [spec.Conv2d(3, 4, 4, 2)], (2, 7, 8, 3)),
    "conv-frozen": (
        lambda: Conv2d(3, 4, 2, frozen=True, dtype=FLOAT),
        [spec.Conv2d(3, 4, 2, frozen=True)],
        (2, 5, 4, 3),
    ),
    "winograd": (lambda: WinogradConv2d(3, 4, dtype=FLOAT), [spec.Conv2d(3, 4)], (2, 8, 4, 3)),
    "winograd-2x2-pixels": (lambda: WinogradConv2d(3, 4, dtype=FLOAT), [spec.Conv2d(3, 4)], (3, 2, 2, 3)),
    "winograd-ragged": (lambda: WinogradConv2d(20, 18, dtype=FLOAT), [spec.Conv2d(20, 18)], (2, 6, 9, 20)),
    "batch_norm": (norm, [spec.BatchNorm2d(3)], (4, 3, 2, 3)),
    "batch_norm-relu": (lambda: norm(0.0), [spec.BatchNorm2d(3), spec.LeakyReLU()], (4, 3, 2, 3)),
    "batch_norm-leaky": (lambda: norm(0.1), [spec.BatchNorm2d(3), spec.LeakyReLU(0.1)], (4, 3, 2, 3)),
    "relu": (LeakyReLU, [spec.LeakyReLU()], (4, 6)),
    "leaky_relu": (lambda: LeakyReLU(0.1), [spec.LeakyReLU(0.1)], (4, 6)),
    "silu": (SiLU, [spec.SiLU()], (4, 6)),
    "max_pool": (MaxPool2d, [spec.MaxPool2d()], (2, 4, 6, 3)),
    "max_pool-3x3-cut": (lambda: MaxPool2d(3), [spec.MaxPool2d(3)], (2, 7, 8, 2)),
    "global_avg_pool": (GlobalAvgPool, [spec.GlobalAvgPool()], (2, 3, 4, 3)),
    "global_avg_max_pool": (GlobalAvgMaxPool, [spec.GlobalAvgMaxPool()], (2, 3, 4, 3)),
    "dropout": (lambda: Dropout(0.4), [spec.Dropout(0.4)], (4, 6)),
    "linear": (lambda: Linear(6, 5, dtype=FLOAT), [spec.Linear(6, 5)], (4, 6)),
    "sequential": (lambda: Sequential([(name, make()) for name, make in BOTH]), [*dict(BODY).values()], (2, 4, 4, 3)),
    "residual": (lambda: Residual([("conv", conv())], ("norm", norm())), [spec.Residual(BODY)], (2, 4, 4, 3)),
    "residual-relu": (
        lambda: Residual([("conv", conv())], ("norm", norm(0.0))),
        [spec.Residual(BODY), spec.LeakyReLU()],
        (2, 4, 4, 3),
    ),
}


def channels_first(array: Array) -> Array:
    return np.moveaxis(array, -1, 1)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_a_layer_agrees_with_torch(case: str, training: bool) -> None:
    make, specs, shape = CASES[case]
    ours = make()
    theirs = torch.nn.Sequential(*map(module_of, specs)).double().train(training)
    rng = np.random.default_rng(0)
    state = ours.buffers() | {name: param.value for name, param in ours.params().items()}
    names = [name for name in theirs.state_dict() if not name.endswith("num_batches_tracked")]
    assert len(names) == len(state)
    partner = (
        {ours_name: next(n for n in names if n.split(".", 1)[1] == ours_name) for ours_name in state}
        if (case != "sequential")
        else {name: f"{['conv', 'norm'].index(name.split('.')[0])}.{name.split('.')[1]}" for name in state}
    )
    tensors = dict(theirs.named_parameters()) | dict(theirs.named_buffers())
    for name, value in state.items():
        value[...] = rng.random(value.shape) + 0.1
        tensors[partner[name]].data.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    x = rng.standard_normal(shape)
    mode = Mode(training=training, dropout_seed=3)
    y, backward = ours.forward(x, mode)
    for module in theirs:
        if isinstance(module, PlannedDropout):
            module.scale = torch.from_numpy(Dropout(0.4).forward(np.ones(shape), mode)[0])
    x_t = torch.from_numpy(np.ascontiguousarray(channels_first(x))).requires_grad_()
    y_t = theirs(x_t.clone())  # their ReLU works in place
    dy = rng.standard_normal(y.shape)
    dx = backward(dy)
    y_t.backward(torch.from_numpy(np.ascontiguousarray(channels_first(dy))))

    pairs = {"y": (channels_first(y), y_t), "dx": (channels_first(dx), x_t.grad)}
    pairs |= {f"d{name}": (p.grad, tensors[partner[name]].grad) for name, p in ours.params().items()}
    pairs |= {name: (buffer, tensors[partner[name]]) for name, buffer in ours.buffers().items()}
    for name, (mine, other) in pairs.items():
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-9, atol=1e-11, err_msg=name)


def test_sizes_chain() -> None:
    """The table's shapes are those the layers of a case take: a slip there would test nothing."""
    for _, specs, shape in CASES.values():
        shapes = [channels_first(np.empty(shape)).shape[1:]]
        for layer in specs:
            shapes.append(spec.output_shape(layer, shapes[-1]))
        assert all(len(a) >= len(b) for a, b in pairwise(shapes))
