"""The engine on PyTorch: images stay on the device as bytes, a batch is one gather.

Axes: N images, B batch, C channels, H W image, L levels, K classes.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from treehead.config import EngineConfig, Optimizer
from treehead.data.augment import EpochPlan, shrinking
from treehead.engines.api import StepResults
from treehead.engines.objective import Objective
from treehead.engines.pytorch.inputs import StepInputs, inputs_of_steps
from treehead.engines.pytorch.loss import HeadLosses, MixedLabels
from treehead.engines.pytorch.machine import choose_device, choose_precision, name_of, within_memory
from treehead.engines.pytorch.network import Network, PlannedDropout, named_state
from treehead.engines.pytorch.optim import Optimizers
from treehead.engines.pytorch.recording import Recorder
from treehead.engines.pytorch.sharpness import uphill
from treehead.engines.weights import check_weights
from treehead.spec import NetSpec
from treehead.system import usable_cores
from treehead.types import Array, Weights

PREDICT_BATCH = 500  # images at a time; the result does not depend on it


@dataclass(frozen=True, slots=True)
class StepKind:
    """What decides which kernels a step launches. size_px: see `EpochPlan`; radius: see `Engine.train`."""

    has_boxes: bool
    size_px: int | None
    radius: float


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
        optimizer: Optimizer | None = None,
        config: EngineConfig,
    ) -> None:
        self._device = choose_device(config.device)
        self._dtype = choose_precision(config.precision, self._device)
        torch.set_num_threads(config.threads or usable_cores())
        torch.set_flush_denormal(True)  # tiny optimizer moments would slow the CPU down
        torch.backends.cudnn.benchmark = True  # shapes repeat, so the fastest algorithm for each is worth its search
        self.network = Network(spec).to(self._device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.load_weights(weights)
        self._shrinkings: dict[tuple[int, int], Tensor] = {}
        self._dropouts = [m for m in self.network.modules() if isinstance(m, PlannedDropout)]
        self._scale = self._floats(1 / (255 * std)).view(-1, 1, 1)
        self._shift = self._floats(-mean / std).view(-1, 1, 1)
        if objective is not None and optimizer is not None:
            self._losses = HeadLosses(objective, self._device)
            self._level_weights = objective.level_weights
            self.optimizer = Optimizers(self.network, optimizer)

    @staticmethod
    def check(config: EngineConfig) -> None:
        """See `Engine.check`."""
        choose_device(config.device)

    @property
    def device(self) -> str:
        return self._device.type

    @property
    def precision(self) -> str:
        return str(self._dtype).removeprefix("torch.")

    @property
    def accelerator(self) -> str | None:
        """See `Engine.accelerator`."""
        return name_of(self._device)

    @within_memory()
    def load_images(self, pixels: Array, labels: Array) -> None:
        """See `Engine.load_images`. Kept as (N, H, W, C), so that a gathered pixel is one run of bytes."""
        self._pixels = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))).to(self._device)
        self._labels = torch.from_numpy(labels).to(self._device)
        self._forget_recording()

    @within_memory()
    def train(
        self,
        plan: EpochPlan,
        start: int,
        learning_rates: Array,
        level_weights: Array | None = None,
        *,
        radius: float = 0.0,
    ) -> StepResults:
        """See `Engine.train`."""
        self.network.train()
        steps = inputs_of_steps(
            plan,
            start,
            learning_rates,
            self._level_weights if level_weights is None else level_weights,
            dropout_rates=[dropout.rate for dropout in self._dropouts],
            num_features=self._num_features,
            device=self._device,
        )
        kind = StepKind(plan.has_boxes, plan.size_px, radius)
        taken = [self._take(kind, inputs) for inputs in steps]
        losses, correct, known = (torch.stack(part).cpu().numpy() for part in zip(*taken, strict=True))
        return StepResults(losses.astype(np.float64), correct, known)

    def _take(self, kind: StepKind, inputs: StepInputs) -> tuple[Tensor, ...]:
        if self._recorder is None:
            return self._step(kind, inputs)
        return self._recorder.take(kind, partial(self._step, kind), inputs)

    def _step(self, kind: StepKind, inputs: StepInputs) -> tuple[Tensor, ...]:
        """Take one step; gives the losses, hits and known labels, (L,) each. On CUDA it may not wait for the device."""
        for dropout, scale in zip(self._dropouts, inputs.scales, strict=True):
            dropout.scale = scale
        labels = self._labels[inputs.order]
        mixed = MixedLabels(labels, labels[inputs.partners], inputs.shares)
        batch = self._batch(kind, inputs)
        told = self._gradients(batch, mixed, inputs.level_weights)
        if kind.radius:
            with uphill(self.network, kind.radius):
                self._gradients(batch, mixed, inputs.level_weights)
        self.optimizer.step(inputs.learning_rate)
        return told

    def _batch(self, kind: StepKind, inputs: StepInputs) -> Tensor:
        """The varied images of one step, standardised. Shapes: (B, C, H, W), or (B, C, P, Q) where they are shrunk."""
        rows, columns = inputs.rows.to(torch.int64), inputs.columns.to(torch.int64)
        batch = self._standardised(self._pixels[inputs.order[:, None, None], rows[:, :, None], columns[:, None, :]])
        if kind.has_boxes:
            partners = inputs.partners
            filling = batch[partners] * (partners >= 0).view(-1, 1, 1, 1)  # the mean colour is 0 once standardised
            boxes = inputs.box_rows[:, None, :, None] & inputs.box_columns[:, None, None, :]
            batch = torch.where(boxes, filling, batch)
        if kind.size_px is not None:
            down, across = (self._shrinking(side, kind.size_px) for side in batch.shape[2:])
            batch = (down @ batch.float() @ across.T).contiguous(memory_format=torch.channels_last).to(self._dtype)
        return batch

    def _gradients(self, inputs: Tensor, labels: MixedLabels, level_weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Every parameter's gradient anew; gives the losses, hits and known labels, (L,) each."""
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            logits = self.network(inputs)
        losses = self._losses([head.float() for head in logits], labels)
        self.optimizer.zero_grad()
        (losses @ level_weights).backward()
        correct = [(head.argmax(1) == label).sum() for head, label in zip(logits, labels.own.T, strict=True)]
        return losses.detach(), torch.stack(correct), (labels.own >= 0).sum(0)

    @within_memory()
    @torch.inference_mode()
    def predict(self, pixels: Array) -> list[Array]:
        """See `Engine.predict`."""
        self.network.eval()
        parts: list[list[Tensor]] = []
        for start in range(0, len(pixels), PREDICT_BATCH):
            part = np.array(pixels[start : start + PREDICT_BATCH])  # a copy: torch takes no read-only arrays
            batch = torch.from_numpy(part).to(self._device).permute(0, 2, 3, 1)
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                parts.append([head.float() for head in self.network(self._standardised(batch))])
        return [torch.cat(level).cpu().numpy() for level in zip(*parts, strict=True)]

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
        return {name: _array(value) for name, value in self.optimizer.state().items()}

    def load_optimizer_state(self, state: Weights) -> None:
        """See `Engine.load_optimizer_state`."""
        self.optimizer.load_state({name: torch.from_numpy(value.copy()) for name, value in state.items()})
        self._forget_recording()

    def _standardised(self, batch_NHWC: Tensor) -> Tensor:
        return (batch_NHWC.permute(0, 3, 1, 2) * self._scale + self._shift).to(self._dtype)

    def _forget_recording(self) -> None:
        """To be called where arrays that a step reads are replaced by others."""
        self._recorder = Recorder() if self._device.type == "cuda" else None

    def _shrinking(self, size: int, smaller: int) -> Tensor:
        """See `augment.shrinking`; uploaded once."""
        if (size, smaller) not in self._shrinkings:
            self._shrinkings[size, smaller] = self._floats(shrinking(size, smaller))
        return self._shrinkings[size, smaller]

    @property
    def _num_features(self) -> int:
        head = next(iter(self.network.heads.values()))
        assert isinstance(head, nn.Linear)
        return head.in_features

    def _floats(self, array: Array) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.float32)).to(self._device)


def _array(value: Tensor) -> Array:
    """A NumPy copy, C-contiguous whatever the memory format."""
    return np.array(value.detach().cpu().numpy(), order="C", copy=True)
