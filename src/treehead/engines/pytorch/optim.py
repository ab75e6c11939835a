"""Optimizers: torch's own Adam and SGD, and Muon, which torch 2.6 does not have.

The learning rate is an argument of the step; the state is keyed by parameter name.
"""

import torch
from torch import Tensor

from treehead.config import AdamConfig, MuonConfig, Optimizer, SgdConfig
from treehead.engines.pytorch.network import Network

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that drives singular values towards 1."""
NEWTON_SCHULZ_STEPS = 3


class Optimizers:
    """The optimizer of all parameters of a network. Weight decay acts on kernels (two axes and more) alone."""

    def __init__(self, network: Network, config: Optimizer) -> None:
        self._parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self._muon: Muon | None = None
        self._inner_scale = 1.0
        rest = list(self._parameters.values())
        if isinstance(config, MuonConfig):
            self._muon = Muon({name: p for name, p in self._parameters.items() if p.ndim == 4}, config)
            self._inner_scale = config.adam_learning_rate / config.learning_rate
            rest = [p for p in rest if p.ndim != 4]
        self._inner = _torch_optimizer(rest, config)

    def zero_grad(self) -> None:
        for parameter in self._parameters.values():
            parameter.grad = None

    def step(self, learning_rate: float | Tensor) -> None:
        """Shapes: learning_rate: (); on a CUDA device, float32 and read only when the step runs."""
        rate = learning_rate if isinstance(learning_rate, Tensor) and learning_rate.is_cuda else float(learning_rate)
        for group in self._inner.param_groups:
            group["lr"] = rate * self._inner_scale
        self._inner.step()
        if self._muon:
            self._muon.step(rate)

    def state(self) -> dict[str, Tensor]:
        """The whole state, as `<what>.<parameter>`; not copied."""
        kept = {
            f"{what}.{name}": value
            for name, parameter in self._parameters.items()
            for what, value in self._inner.state.get(parameter, {}).items()
            if value is not None
        }
        return kept | (
            {f"direction.{name}": value for name, value in self._muon.direction.items()} if self._muon else {}
        )

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` gave; the tensors may be on the CPU."""
        for key, value in state.items():
            what, name = key.split(".", 1)
            parameter = self._parameters[name]
            value = value.to(parameter.device) if what == "step" else torch.empty_like(parameter).copy_(value)
            if what == "direction" and self._muon:
                self._muon.direction[name] = value
            else:
                self._inner.state[parameter][what] = value


def _torch_optimizer(parameters: list[torch.nn.Parameter], config: Optimizer) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    rate = config.learning_rate
    if isinstance(config, SgdConfig):
        nesterov = config.nesterov and config.momentum > 0
        return torch.optim.SGD(groups, lr=rate, momentum=config.momentum, nesterov=nesterov, fused=True)
    assert isinstance(config, AdamConfig | MuonConfig)
    recordable = parameters[0].is_cuda  # as a CUDA graph
    return torch.optim.AdamW(groups, lr=rate, betas=config.betas, eps=config.eps, fused=True, capturable=recordable)


class Muon:
    """Step every kernel along its orthogonalised momentum, after restoring its norm.

        direction = momentum * direction + g
        value *= sqrt(out_channels) / ||value||
        value -= lr * orthogonalised(g + momentum * direction)          seen as a matrix (out, in * height * width)

    Conventions: Nesterov momentum without damping; the fixed norm replaces weight decay, so that the rate
        is the angle, in radians, by which a kernel turns.
    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the fixed norm is that of
        the CIFAR speed runs it was first used in.
    """

    def __init__(self, parameters: dict[str, torch.nn.Parameter], config: MuonConfig) -> None:
        self._parameters, self._momentum = parameters, config.momentum
        self.direction = {name: torch.zeros_like(p) for name, p in parameters.items()}

    @torch.no_grad()
    def step(self, learning_rate: float | Tensor) -> None:
        for name, parameter in self._parameters.items():
            assert parameter.grad is not None
            direction = self.direction[name].mul_(self._momentum).add_(parameter.grad)
            ahead = parameter.grad + self._momentum * direction
            turn = orthogonalised(ahead.flatten(1)).view_as(ahead)
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
            parameter.sub_(turn * learning_rate)


def orthogonalised(matrix: Tensor) -> Tensor:
    """Approximately the nearest matrix of orthonormal rows (or columns, whichever are fewer): singular values near 1.

        X = matrix / ||matrix||;  three times:  A = X X^T,  X = Q X,  Q = a I + b A + c A A

    Shapes: (M, N) float32, both ways.
    Conventions: the Frobenius norm, with 1e-7 added; (a, b, c) of `NEWTON_SCHULZ`; float32 throughout. The three Q are
        polynomials of the first A, so they commute, and the next A is Q A Q: the large matrix is multiplied twice
        instead of six times.
    Source: Jordan et al. 2024 (Newton-Schulz iteration, quintic).
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    gram = product = x @ x.T
    for step in range(NEWTON_SCHULZ_STEPS):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor @ product if step else factor
        if step < NEWTON_SCHULZ_STEPS - 1:
            gram = factor @ gram @ factor
    x = product @ x
    return x.T if tall else x
