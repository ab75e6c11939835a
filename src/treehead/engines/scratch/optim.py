"""Optimizers. State is keyed by parameter name, as in the PyTorch engine, so that either can continue a run.

The learning rate is an argument of the step, not state. Weight decay acts on kernels (two axes and more) alone.
"""

from typing import Protocol

import numpy as np

from treehead import config
from treehead.engines.scratch.kernels import compiled_in
from treehead.engines.scratch.layer import Param
from treehead.engines.scratch.workspace import Workspace
from treehead.types import Array, UserError, Weights


class Optimizer(Protocol):
    """Updates parameters by their gradients."""

    def step(self, learning_rate: float) -> None: ...

    def state(self) -> Weights:
        """The whole state, as `<what>.<parameter>`; not copied. Empty before the first step."""
        ...

    def load_state(self, state: Weights) -> None: ...


def optimizer_of(params: dict[str, Param], choice: config.Optimizer, work: Workspace) -> Optimizer:
    """The optimizer that a config names."""
    match choice:
        case config.SgdConfig(momentum=momentum, nesterov=nesterov, weight_decay=decay):
            return Sgd(params, momentum=momentum, nesterov=nesterov, weight_decay=decay)
        case config.AdamConfig(betas=betas, eps=eps, weight_decay=decay):
            return Adam(params, betas=betas, eps=eps, weight_decay=decay)
        case config.MuonConfig():
            return Muon(params, choice, work)


class Sgd:
    """Step each parameter along its gradients' running sum.

        g = grad + weight_decay * value
        buffer = momentum * buffer + g
        value -= lr * (g + momentum * buffer if nesterov else buffer)

    Conventions: no damping: the first buffer is g itself. Without momentum there is no state.
    Source: Sutskever et al. 2013, "On the importance of initialization and momentum", in the form of torch.optim.SGD.
    """

    def __init__(
        self, params: dict[str, Param], *, momentum: float = 0.9, nesterov: bool = True, weight_decay: float = 0.0
    ) -> None:
        self.params, self.momentum, self.nesterov, self.weight_decay = params, momentum, nesterov, weight_decay
        self.buffer: Weights = {}

    def step(self, learning_rate: float) -> None:
        for name, param in self.params.items():
            decay = self.weight_decay if param.value.ndim >= 2 else 0.0
            g = param.grad + decay * param.value
            if self.momentum:
                buffer = self.buffer.setdefault(name, np.zeros_like(param.value))
                buffer *= self.momentum
                buffer += g
                g = g + self.momentum * buffer if self.nesterov else buffer
            param.value -= learning_rate * g

    def state(self) -> Weights:
        return {f"momentum_buffer.{name}": buffer for name, buffer in self.buffer.items()}

    def load_state(self, state: Weights) -> None:
        self.buffer = _copied_state(state, ("momentum_buffer",), self.params)["momentum_buffer"]


class Adam:
    """Step each parameter by its bias-corrected mean gradient over its root mean square; decay decoupled (AdamW).

        value *= 1 - lr * weight_decay
        m = b1*m + (1-b1)*g          v = b2*v + (1-b2)*g*g
        value -= lr * (m / (1-b1**t)) / (sqrt(v / (1-b2**t)) + eps)

    Conventions: eps is added after bias correction (Algorithm 1 of the paper, as PyTorch; not the reordered form just
        before its section 2.1). t counts from 1.
    Source: Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1; Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2.
    """

    def __init__(
        self,
        params: dict[str, Param],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.params, self.betas, self.eps, self.weight_decay = params, betas, eps, weight_decay
        self.num_steps = 0
        self.mean = {name: np.zeros_like(p.value) for name, p in params.items()}
        self.mean_square = {name: np.zeros_like(p.value) for name, p in params.items()}

    def step(self, learning_rate: float) -> None:
        self.num_steps += 1
        b1, b2 = self.betas
        unbias1, unbias2 = 1 - b1**self.num_steps, 1 - b2**self.num_steps
        for name, param in self.params.items():
            keep = 1 - learning_rate * self.weight_decay if param.value.ndim >= 2 else 1.0
            arrays = (param.value, param.grad, self.mean[name], self.mean_square[name])
            numbers = (keep, learning_rate / unbias1, unbias2, b1, b2, self.eps)
            value, grad, mean, mean_square = map(_flat, arrays)
            adam_step(value, grad, mean, mean_square, tuple(map(param.value.dtype.type, numbers)))

    def state(self) -> Weights:
        if not self.num_steps:
            return {}
        kinds = {"exp_avg": self.mean, "exp_avg_sq": self.mean_square}
        kept = {f"{what}.{name}": array for what, arrays in kinds.items() for name, array in arrays.items()}
        return kept | {f"step.{name}": np.array(self.num_steps, np.float32) for name in self.params}

    def load_state(self, state: Weights) -> None:
        kept = _copied_state(state, ("exp_avg", "exp_avg_sq", "step"), self.params)
        if state:
            self.mean, self.mean_square = kept["exp_avg"], kept["exp_avg_sq"]
            self.num_steps = int(next(iter(kept["step"].values())))


class Muon:
    """Step every convolution kernel along its orthogonalised momentum, after restoring its norm; Adam for the rest.

        direction = momentum * direction + g
        value *= sqrt(out_channels) / ||value||
        value -= lr * orthogonalised(g + momentum * direction)          seen as a matrix (out, in * height * width)

    Conventions: Nesterov momentum without damping; the fixed norm replaces weight decay. Adam's rate is
        lr * adam_learning_rate / learning_rate, so that one schedule scales both.
    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """

    def __init__(self, params: dict[str, Param], choice: config.MuonConfig, work: Workspace) -> None:
        self.kernels = {name: p for name, p in params.items() if p.value.ndim == 4}
        rest = {name: p for name, p in params.items() if p.value.ndim != 4}
        self.adam = Adam(rest, betas=choice.betas, eps=choice.eps, weight_decay=choice.weight_decay)
        self.adam_scale = choice.adam_learning_rate / choice.learning_rate
        self.momentum, self.work = choice.momentum, work
        self.direction = {name: np.zeros_like(p.value) for name, p in self.kernels.items()}

    def step(self, learning_rate: float) -> None:
        self.adam.step(learning_rate * self.adam_scale)
        names = sorted(self.kernels, key=lambda name: -self.kernels[name].value.size)  # long work first, on all threads

        def turn(start: int, stop: int) -> None:
            for name in names[start:stop]:
                self._turn(self.kernels[name], self.direction[name], learning_rate)

        self.work.over_blocks(turn, len(names), block=1)

    def _turn(self, kernel: Param, direction: Array, learning_rate: float) -> None:
        value = kernel.value
        direction *= self.momentum
        direction += kernel.grad
        ahead = (kernel.grad + self.momentum * direction).reshape(len(value), -1)
        value *= value.dtype.type(len(value) ** 0.5 / np.sqrt(np.square(value).sum()))
        value -= value.dtype.type(learning_rate) * orthogonalised(ahead).reshape(value.shape)

    def state(self) -> Weights:
        return self.adam.state() | {f"direction.{name}": array for name, array in self.direction.items()}

    def load_state(self, state: Weights) -> None:
        directions = {key: value for key, value in state.items() if key.startswith("direction.")}
        self.adam.load_state({key: value for key, value in state.items() if key not in directions})
        self.direction |= _copied_state(directions, ("direction",), self.kernels)["direction"]


def orthogonalised(matrix: Array) -> Array:
    """Approximately the nearest matrix of orthonormal rows (or columns, whichever are fewer): singular values near 1.

        X = matrix / ||matrix||;  three times:  A = X X^T,  X = Q X,  Q = a I + b A + c A A

    Shapes: (M, N), both ways.
    Conventions: the Frobenius norm, with 1e-7 added; (a, b, c) = (3.4445, -4.7750, 2.0315). The three Q are polynomials
        of the first A, so they commute, and the next A is Q A Q: the large matrix is multiplied twice instead of six
        times.
    Source: Jordan et al. 2024 (Newton-Schulz iteration, quintic).
    """
    a, b, c = (matrix.dtype.type(number) for number in (3.4445, -4.7750, 2.0315))
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (np.sqrt(np.square(x).sum()) + matrix.dtype.type(1e-7))
    gram = x @ x.T
    product, identity = gram, np.eye(len(gram), dtype=matrix.dtype)
    for step in range(3):
        factor = a * identity + b * gram + c * (gram @ gram)
        product = factor @ product if step else factor
        if step < 2:
            gram = factor @ gram @ factor
    x = product @ x
    return x.T if tall else x


@compiled_in("optim")
def adam_step(value: Array, grad: Array, mean: Array, mean_square: Array, numbers: tuple[float, ...]) -> None:
    """One step of Adam, in place. Shapes: all (n,).

    numbers: keep = 1 - lr * weight_decay, rate = lr / (1 - b1**t), 1 - b2**t, b1, b2, eps; of the dtype of value.
    """
    keep, rate, unbias2, b1, b2, eps = numbers
    mean += (1 - b1) * (grad - mean)
    mean_square += (1 - b2) * (grad * grad - mean_square)
    value *= keep
    value -= rate * mean / (np.sqrt(mean_square / unbias2) + eps)


def _flat(array: Array) -> Array:
    """The memory of an array as a vector, in memory order."""
    flat = array.ravel(order="K")
    assert np.shares_memory(flat, array)
    return flat


def _copied_state(state: Weights, kinds: tuple[str, ...], params: dict[str, Param]) -> dict[str, Weights]:
    """State by kind and parameter, copied, in the memory order of the parameters.

    Raises: UserError: the state belongs to another optimizer or network.
    """
    arrays: dict[str, Weights] = {kind: {} for kind in kinds}
    for key, value in state.items():
        what, name = key.split(".", 1)
        if what not in arrays or name not in params:
            raise UserError(f"the optimizer state belongs to another optimizer or network: it contains {key}")
        if what == "step":
            arrays[what][name] = value
            continue
        if value.shape != params[name].value.shape:
            raise UserError(f"the optimizer state belongs to another network: {key} has the shape {value.shape}")
        arrays[what][name] = np.empty_like(params[name].value)
        arrays[what][name][...] = value
    return arrays
