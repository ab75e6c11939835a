"""The engine on PyTorch: images stay on the device as bytes, a batch is one gather.

Axes: N images, B batch, C channels, H W image, L levels, K classes.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from treehead.config import AdamConfig, EngineConfig, SgdConfig
from treehead.data.augment import EpochPlan, dropout_scale
from treehead.engines.api import Objective, StepResults
from treehead.engines.pytorch.machine import choose_device, choose_precision, usable_cores
from treehead.engines.pytorch.network import Network, PlannedDropout, named_state
from treehead.engines.weights import check_weights
from treehead.spec import NetSpec
from treehead.types import Array, Weights

PREDICT_BATCH = 500  # images at a time; the result does not depend on it


class PyTorchEngine:
    """Answers `engines.api.Engine`.

    Shapes: mean, std: (C,) of pixels scaled to [0, 1]; the network sees (pixel / 255 - mean) / std.
    Conventions: parameters and optimizer state are float32; convolutions and products run in `precision`
        (torch.autocast); losses are float32. Weight decay acts on kernels (arrays of 2 axes and more) alone.
    """

    def __init__(
        self,
        spec: NetSpec,
        weights: Weights,
        *,
        mean: Array,
        std: Array,
        objective: Objective | None = None,
        optimizer: AdamConfig | SgdConfig | None = None,
        config: EngineConfig,
    ) -> None:
        self._device = choose_device(config.device)
        self._dtype = choose_precision(config.precision, self._device)
        torch.set_num_threads(config.threads or usable_cores())
        torch.set_flush_denormal(True)  # tiny optimizer moments would slow the CPU down
        self.network = Network(spec).to(self._device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.load_weights(weights)
        self._dropouts = [m for m in self.network.modules() if isinstance(m, PlannedDropout)]
        self._scale = self._floats(1 / (255 * std)).view(-1, 1, 1)
        self._shift = self._floats(-mean / std).view(-1, 1, 1)
        if objective is not None and optimizer is not None:
            self._targets = [self._floats(table) for table in objective.targets]
            self._level_weights = self._floats(objective.level_weights)
            self.optimizer = make_optimizer(self.network, optimizer)

    @property
    def device(self) -> str:
        return self._device.type

    @property
    def precision(self) -> str:
        return str(self._dtype).removeprefix("torch.")

    def load_images(self, pixels: Array, labels: Array) -> None:
        """See `Engine.load_images`. Kept as (N, H, W, C), so that a gathered pixel is one run of bytes."""
        self._pixels = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))).to(self._device)
        self._labels = torch.from_numpy(labels).to(self._device)

    def train(self, plan: EpochPlan, start: int, learning_rates: Array) -> StepResults:
        """See `Engine.train`."""
        self.network.train()
        steps = slice(start, start + len(learning_rates))
        order, rows, columns = (
            torch.from_numpy(part[steps]).to(self._device, torch.int64)
            for part in (plan.order, plan.rows, plan.columns)
        )
        seen_rows, seen_columns = (
            torch.from_numpy(~part[steps]).to(self._device) for part in (plan.blank_rows, plan.blank_columns)
        )
        losses, correct = [], []
        for i, learning_rate in enumerate(learning_rates):
            self._drop(int(plan.dropout_seeds[start + i]), len(order[i]))
            batch = self._pixels[order[i][:, None, None], rows[i][:, :, None], columns[i][:, None, :]]
            seen = seen_rows[i][:, None, :, None] | seen_columns[i][:, None, None, :]
            inputs = self._standardised(batch) * seen  # the mean colour is 0 once standardised
            step_losses, step_correct = self._step(inputs, self._labels[order[i]], float(learning_rate))
            losses.append(step_losses)
            correct.append(step_correct)
        return StepResults(torch.stack(losses).double().cpu().numpy(), torch.stack(correct).cpu().numpy())

    def _step(self, inputs: Tensor, labels: Tensor, learning_rate: float) -> tuple[Tensor, Tensor]:
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            logits = self.network(inputs)
        losses = torch.stack(
            [
                functional.cross_entropy(head.float(), targets[label])
                for head, targets, label in zip(logits, self._targets, labels.T, strict=True)
            ]
        )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        (losses @ self._level_weights).backward()
        self.optimizer.step()
        correct = [(head.argmax(1) == label).sum() for head, label in zip(logits, labels.T, strict=True)]
        return losses.detach(), torch.stack(correct)

    @torch.inference_mode()
    def predict(self, pixels: Array) -> list[Array]:
        """See `Engine.predict`."""
        self.network.eval()
        parts: list[list[Tensor]] = []
        for start in range(0, len(pixels), PREDICT_BATCH):
            part = np.array(pixels[start : start + PREDICT_BATCH])  # a copy: torch takes no read-only arrays
            batch = torch.from_numpy(part).to(self._device).permute(0, 2, 3, 1)
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                parts.append([head.float().cpu() for head in self.network(self._standardised(batch))])
        return [torch.cat(level).numpy() for level in zip(*parts, strict=True)]

    def weights(self) -> Weights:
        """See `Engine.weights`."""
        return {name: _array(value) for name, value in named_state(self.network).items()}

    def load_weights(self, weights: Weights) -> None:
        """See `Engine.load_weights`."""
        check_weights(weights, self.weights())
        with torch.no_grad():
            for name, value in named_state(self.network).items():
                value.copy_(torch.from_numpy(np.ascontiguousarray(weights[name], np.float32)))

    def optimizer_state(self) -> Weights:
        """See `Engine.optimizer_state`. Keys are torch's, e.g. `exp_avg.heads.fine.weight`."""
        return {
            f"{what}.{name}": _array(value)
            for name, parameter in self.network.named_parameters()
            for what, value in self.optimizer.state[parameter].items()
            if value is not None
        }

    def load_optimizer_state(self, state: Weights) -> None:
        """See `Engine.load_optimizer_state`."""
        for key, value in state.items():
            what, name = key.split(".", 1)
            parameter = self.network.get_parameter(name)
            tensor = torch.from_numpy(value.copy())
            if what != "step":
                tensor = tensor.to(self._device)
                if tensor.ndim == 4:
                    tensor = tensor.contiguous(memory_format=torch.channels_last)
            self.optimizer.state[parameter][what] = tensor

    def _standardised(self, batch_NHWC: Tensor) -> Tensor:
        return (batch_NHWC.permute(0, 3, 1, 2) * self._scale + self._shift).to(self._dtype)

    def _drop(self, seed: int, batch_size: int) -> None:
        for number, dropout in enumerate(self._dropouts):
            scale = dropout_scale(seed + number, (batch_size, self._num_features), dropout.rate)
            dropout.scale = self._floats(scale)

    @property
    def _num_features(self) -> int:
        head = next(iter(self.network.heads.values()))
        assert isinstance(head, nn.Linear)
        return head.in_features

    def _floats(self, array: Array) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.float32)).to(self._device)


def make_optimizer(network: Network, config: AdamConfig | SgdConfig) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay, or SGD with Nesterov momentum. The rate is set anew at each step."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    if isinstance(config, AdamConfig):
        return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.eps, fused=True)
    nesterov = config.nesterov and config.momentum > 0
    rate, momentum = config.learning_rate, config.momentum
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=nesterov, fused=True)


def _array(value: Tensor) -> Array:
    """A NumPy copy, C-contiguous whatever the memory format."""
    return np.array(value.detach().cpu().numpy(), order="C", copy=True)
