"""Training by hand: a step is a gather, a forward pass, a backward pass and an optimizer step.

N images, B batch, H W image, C channels, L levels, P Q a shrunk image.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from treehead.config import Optimizer
from treehead.data.augment import EpochPlan, shrinking
from treehead.data.dataset import Images
from treehead.engines.api import StepResults
from treehead.engines.objective import MixedLabels, Objective, level_losses_with_backward
from treehead.engines.scratch.kernels import compiled_in
from treehead.engines.scratch.layer import Mode
from treehead.engines.scratch.optim import optimizer_of
from treehead.engines.scratch.sam import sam_perturbation
from treehead.types import Array, Weights

if TYPE_CHECKING:
    from treehead.engines.scratch.engine import ScratchEngine


class ScratchTrainer:
    """Implements `engines.api.Trainer`.

    Conventions: float32; sums over a batch and losses in float64.
    """

    def __init__(self, engine: "ScratchEngine", objective: Objective, optimizer: Optimizer, images: Images) -> None:
        self.engine, self.objective = engine, objective
        self.optimizer = optimizer_of(engine.network.params(), optimizer, engine.work)
        self._pixels, self._labels = np.ascontiguousarray(images.pixels.transpose(0, 2, 3, 1)), images.labels

    def train(
        self, plan: EpochPlan, start: int, learning_rates: Array, level_weights: Array, *, sam_radius: float = 0.0
    ) -> StepResults:
        """See `Trainer.train`."""
        work, params = self.engine.work, self.engine.network.params()
        results = []
        with work.single_threaded_blas():
            for step, learning_rate in enumerate(learning_rates, start):
                mode = Mode(training=True, work=work, dropout_seed=int(plan.dropout_seeds[step]))
                results.append(self._gradients(plan, step, level_weights, mode))
                if sam_radius:
                    with sam_perturbation(params, sam_radius):
                        self._gradients(plan, step, level_weights, replace(mode, keep_running=True))
                self.optimizer.step(float(learning_rate))
        losses, correct, known = (np.stack(part) for part in zip(*results, strict=True))
        return StepResults(losses, correct, known)

    def optimizer_state(self) -> Weights:
        """See `Trainer.optimizer_state`. Keys are those of the PyTorch engine, e.g. `exp_avg.heads.fine.weight`."""
        return {name: np.array(value, order="C") for name, value in self.optimizer.state().items()}

    def load_optimizer_state(self, state: Weights) -> None:
        """See `Trainer.load_optimizer_state`."""
        self.optimizer.load_state(state)

    def _gradients(self, plan: EpochPlan, step: int, level_weights: Array, mode: Mode) -> tuple[Array, Array, Array]:
        """Compute the gradient of every parameter; returns losses, correct answers and known labels, (L,) each.

        Conventions: the batch is gathered again for a second pass, which is cheap and needs no more memory.
        """
        self.engine.work.begin_step()
        own = self._labels[plan.order[step]]
        labels = MixedLabels(own, own[plan.partners[step]], plan.partner_shares(step))
        logits, backward = self.engine.network.forward(self._batch(plan, step), mode)
        losses, loss_backward = level_losses_with_backward(self.objective, logits, labels)
        backward(loss_backward(level_weights))
        correct = [(head.argmax(axis=1) == label).sum() for head, label in zip(logits, own.T, strict=True)]
        return losses, np.array(correct), (own >= 0).sum(axis=0)

    def _batch(self, plan: EpochPlan, step: int) -> Array:
        """The augmented images of one step, standardised. Shapes: (B, H, W, C), or (B, P, Q, C) if they are shrunk."""
        _, height, width, channels = self._pixels.shape
        order, rows, columns = plan.order[step], plan.rows[step], plan.columns[step]
        batch = self.engine.work.empty((len(order), height, width, channels), np.dtype(np.float32))

        def gather_block(start: int, stop: int) -> None:
            block = slice(start, stop)
            scale, shift = self.engine.scale, self.engine.shift
            gather(self._pixels, order[block], rows[block], columns[block], scale, shift, batch[block])

        self.engine.work.over_blocks(gather_block, len(order), block=64)
        if plan.has_boxes:
            partners = plan.partners[step]
            box = plan.box_rows[step][:, :, None, None] & plan.box_columns[step][:, None, :, None]
            filling = batch[partners] * (partners >= 0)[:, None, None, None]  # the mean colour is 0 once standardised
            batch = np.where(box, filling, batch)
        if plan.size_px is not None:
            down, across = (shrinking(side, plan.size_px) for side in (height, width))
            rows_shrunk = (down @ batch.reshape(len(batch), height, -1)).reshape(len(batch), -1, width, channels)
            batch = across @ rows_shrunk
        return np.ascontiguousarray(batch, np.float32)


@compiled_in("gather")
def gather(pixels: Array, order: Array, rows: Array, columns: Array, scale: Array, shift: Array, batch: Array) -> None:
    """batch[b,i,j] = pixels[order[b], rows[b,i], columns[b,j]] * scale + shift

    Shapes: pixels: (N, H, W, C) uint8; order: (B,); rows: (B, H), columns: (B, W) int; batch: (B, H, W, C), written.
    """
    batch[...] = pixels[order[:, None, None], rows[:, :, None], columns[:, None, :]] * scale + shift
