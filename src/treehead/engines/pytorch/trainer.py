"""Training on PyTorch: images stay on the device as bytes, a batch is one gather.

Axes: N images, B batch, C channels, H W image, P Q a shrunk image, L levels, K classes.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from treehead.config import Optimizer
from treehead.data.augment import EpochPlan, shrinking
from treehead.data.dataset import Images
from treehead.engines.api import StepResults
from treehead.engines.objective import Objective
from treehead.engines.pytorch.inputs import StepInputs, inputs_of_steps
from treehead.engines.pytorch.loss import HeadLosses, MixedLabels
from treehead.engines.pytorch.machine import within_memory
from treehead.engines.pytorch.network import Network, PlannedDropout, numpy_copy
from treehead.engines.pytorch.optim import Optimizers
from treehead.engines.pytorch.recording import Recorder
from treehead.engines.pytorch.sam import sam_perturbation
from treehead.system import reuse_freed_memory
from treehead.types import Array, Weights

if TYPE_CHECKING:
    from treehead.engines.pytorch.engine import PyTorchEngine


@dataclass(frozen=True, slots=True)
class StepKind:
    """What decides which kernels a step launches. size_px: see `EpochPlan`; sam_radius: see `Trainer.train`."""

    has_boxes: bool
    size_px: int | None
    sam_radius: float


class PyTorchTrainer:
    """Implements `engines.api.Trainer`.

    Conventions: optimizer state and losses are float32. Weight decay acts on kernels (arrays of 2 axes and more) alone.
        Images are kept as (N, H, W, C), so that a gathered pixel is one run of bytes. On CUDA, steps are recorded.
    """

    def __init__(self, engine: "PyTorchEngine", objective: Objective, optimizer: Optimizer, images: Images) -> None:
        self.engine, self.objective = engine, objective
        device = engine.torch_device
        if device.type == "cpu":
            reuse_freed_memory()
        self._losses = HeadLosses(objective, device)
        self.optimizer = Optimizers(engine.network, optimizer)
        self._dropouts = [module for module in engine.network.modules() if isinstance(module, PlannedDropout)]
        self._num_features = num_features(engine.network)
        self._pixels = torch.from_numpy(np.ascontiguousarray(images.pixels.transpose(0, 2, 3, 1))).to(device)
        self._labels = torch.from_numpy(images.labels).to(device)
        self._shrinkings: dict[tuple[int, int], Tensor] = {}
        self._recorder = new_recorder(device)

    @within_memory()
    def train(
        self, plan: EpochPlan, start: int, learning_rates: Array, level_weights: Array, *, sam_radius: float = 0.0
    ) -> StepResults:
        """See `Trainer.train`."""
        self.engine.network.train()
        steps = inputs_of_steps(
            plan,
            start,
            learning_rates,
            level_weights,
            dropout_rates=[dropout.rate for dropout in self._dropouts],
            num_features=self._num_features,
            device=self.engine.torch_device,
        )
        kind = StepKind(plan.has_boxes, plan.size_px, sam_radius)
        results = [self._take(kind, inputs) for inputs in steps]
        losses, correct, known = (torch.stack(part).cpu().numpy() for part in zip(*results, strict=True))
        return StepResults(losses.astype(np.float64), correct, known)

    def optimizer_state(self) -> Weights:
        """See `Trainer.optimizer_state`. Keys are torch's, e.g. `exp_avg.heads.fine.weight`."""
        return {name: numpy_copy(value) for name, value in self.optimizer.state().items()}

    def load_optimizer_state(self, state: Weights) -> None:
        """See `Trainer.load_optimizer_state`."""
        self.optimizer.load_state({name: torch.from_numpy(value.copy()) for name, value in state.items()})
        self._recorder = new_recorder(self.engine.torch_device)  # recorded steps read the state that was replaced

    def _take(self, kind: StepKind, inputs: StepInputs) -> tuple[Tensor, ...]:
        if self._recorder is None:
            return self._step(kind, inputs)
        return self._recorder.take(kind, partial(self._step, kind), inputs)

    def _step(self, kind: StepKind, inputs: StepInputs) -> tuple[Tensor, ...]:
        """Take one step; returns losses, correct answers and known labels, (L,) each.

        Conventions: on CUDA this function must not wait for the device.
        """
        for dropout, scale in zip(self._dropouts, inputs.scales, strict=True):
            dropout.scale = scale
        labels = self._labels[inputs.order]
        mixed = MixedLabels(labels, labels[inputs.partners], inputs.shares)
        batch = self._batch(kind, inputs)
        results = self._gradients(batch, mixed, inputs.level_weights)
        if kind.sam_radius:
            with sam_perturbation(self.engine.network, kind.sam_radius):
                self._gradients(batch, mixed, inputs.level_weights)
        self.optimizer.step(inputs.learning_rate)
        return results

    def _batch(self, kind: StepKind, inputs: StepInputs) -> Tensor:
        """The augmented images of one step, standardised. Shapes: (B, C, H, W), or (B, C, P, Q) if they are shrunk."""
        rows, columns = inputs.rows.to(torch.int64), inputs.columns.to(torch.int64)
        pixels = self._pixels[inputs.order[:, None, None], rows[:, :, None], columns[:, None, :]]
        batch = self.engine.standardised(pixels)
        if kind.has_boxes:
            partners = inputs.partners
            filling = batch[partners] * (partners >= 0).view(-1, 1, 1, 1)  # the mean colour is 0 once standardised
            boxes = inputs.box_rows[:, None, :, None] & inputs.box_columns[:, None, None, :]
            batch = torch.where(boxes, filling, batch)
        if kind.size_px is not None:
            down, across = (self._shrinking(side, kind.size_px) for side in batch.shape[2:])
            shrunk = (down @ batch.float() @ across.T).contiguous(memory_format=torch.channels_last)
            batch = shrunk.to(self.engine.dtype)
        return batch

    def _gradients(self, batch: Tensor, labels: MixedLabels, level_weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the gradient of every parameter; returns losses, correct answers and known labels, (L,) each."""
        logits = self.engine.forward(batch)
        losses = self._losses(logits, labels)
        self.optimizer.zero_grad()
        (losses @ level_weights).backward()
        correct = [(head.argmax(1) == label).sum() for head, label in zip(logits, labels.own.T, strict=True)]
        return losses.detach(), torch.stack(correct), (labels.own >= 0).sum(0)

    def _shrinking(self, size: int, smaller: int) -> Tensor:
        """See `augment.shrinking`; uploaded once."""
        if (size, smaller) not in self._shrinkings:
            self._shrinkings[size, smaller] = self.engine.upload(shrinking(size, smaller))
        return self._shrinkings[size, smaller]


def num_features(network: Network) -> int:
    """The inputs of every head."""
    head = next(iter(network.heads.values()))
    assert isinstance(head, nn.Linear)
    return head.in_features


def new_recorder(device: torch.device) -> Recorder | None:
    """Records steps on CUDA; None elsewhere, where every step is computed as it comes."""
    return Recorder() if device.type == "cuda" else None
