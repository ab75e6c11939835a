"""The engine by hand: images stay in memory as bytes; a step is a gather, a pass forward, a pass back.

N images, B batch, H W image, C channels, L levels, P Q a shrunk image.
"""

from dataclasses import replace

import numpy as np

from treehead.config import EngineConfig, Optimizer
from treehead.data.augment import EpochPlan, shrinking
from treehead.engines.api import StepResults
from treehead.engines.objective import Objective
from treehead.engines.scratch.layer import Mode
from treehead.engines.scratch.loss import MixedLabels, head_losses
from treehead.engines.scratch.network import Network
from treehead.engines.scratch.optim import optimizer_of
from treehead.engines.scratch.sharpness import uphill
from treehead.engines.scratch.twins import compiled_in
from treehead.engines.scratch.workspace import Workspace
from treehead.engines.weights import check_weights
from treehead.spec import NetSpec
from treehead.system import usable_cores
from treehead.types import Array, UserError, Weights

PREDICT_BATCH = 250  # images at a time; the result does not depend on it


class ScratchEngine:
    """Answers `engines.api.Engine`.

    Shapes: mean, std: (C,) of pixels scaled to [0, 1]; the network sees (pixel / 255 - mean) / std.
    Conventions: on the CPU, in float32; sums over a batch and losses in float64.
    Raises: UserError: a device, a precision or a layer that it lacks; weights of another network.
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
        self.check(config)
        self.network = Network(spec)
        self._work = Workspace(config.threads or usable_cores(), reuse=True)
        self.load_weights(weights)
        self._scale, self._shift = ((part).astype(np.float32) for part in (1 / (255 * std), -mean / std))
        if objective is not None and optimizer is not None:
            self._objective = objective
            self.optimizer = optimizer_of(self.network.params(), optimizer, self._work)

    @staticmethod
    def check(config: EngineConfig) -> None:
        """See `Engine.check`."""
        for key, has in (("device", "cpu"), ("precision", "float32")):
            if (wanted := getattr(config, key)) not in ("auto", has):
                raise UserError(
                    f"engine.{key} = {wanted!r}: the scratch engine has {has} alone; use engine.kind=pytorch"
                )

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def precision(self) -> str:
        return "float32"

    @property
    def accelerator(self) -> None:
        """See `Engine.accelerator`."""
        return None

    def load_images(self, pixels: Array, labels: Array) -> None:
        """See `Engine.load_images`."""
        self._pixels, self._labels = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels

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
        weights = self._objective.level_weights if level_weights is None else level_weights
        taken = []
        with self._work.quiet_blas():
            for step, learning_rate in enumerate(learning_rates, start):
                mode = Mode(training=True, work=self._work, dropout_seed=int(plan.dropout_seeds[step]))
                taken.append(self._gradients(plan, step, weights, mode))
                if radius:
                    with uphill(self.network.params(), radius):
                        self._gradients(plan, step, weights, replace(mode, keep_running=True))
                self.optimizer.step(float(learning_rate))
        losses, correct, known = (np.stack(part) for part in zip(*taken, strict=True))
        return StepResults(losses, correct, known)

    def _gradients(self, plan: EpochPlan, step: int, level_weights: Array, mode: Mode) -> tuple[Array, Array, Array]:
        """Every parameter's gradient anew; gives the losses, hits and known labels, (L,) each.

        Conventions: the batch is gathered anew as well, which is cheap, so that a second pass needs no more memory.
        """
        self._work.begin_step()
        own = self._labels[plan.order[step]]
        labels = MixedLabels(own, own[plan.partners[step]], plan.partner_shares(step))
        logits, backward = self.network.forward(self._batch(plan, step), mode)
        losses, gradients = head_losses(self._objective, logits, labels)
        backward([np.float32(weight) * dlogits for weight, dlogits in zip(level_weights, gradients, strict=True)])
        correct = [(head.argmax(axis=1) == label).sum() for head, label in zip(logits, own.T, strict=True)]
        return losses, np.array(correct), (own >= 0).sum(axis=0)

    def _batch(self, plan: EpochPlan, step: int) -> Array:
        """The varied images of one step, standardised. Shapes: (B, H, W, C), or (B, P, Q, C) where they are shrunk."""
        _, height, width, channels = self._pixels.shape
        order, rows, columns = plan.order[step], plan.rows[step], plan.columns[step]
        batch = self._work.empty((len(order), height, width, channels), np.dtype(np.float32))

        def gather_block(start: int, stop: int) -> None:
            here = slice(start, stop)
            gather(self._pixels, order[here], rows[here], columns[here], self._scale, self._shift, batch[here])

        self._work.over_blocks(gather_block, len(order), block=64)
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

    def predict(self, pixels: Array) -> list[Array]:
        """See `Engine.predict`."""
        parts: list[list[Array]] = []
        mode = Mode(training=False, work=self._work)
        with self._work.quiet_blas():
            for start in range(0, len(pixels), PREDICT_BATCH):
                self._work.begin_step()
                images = pixels[start : start + PREDICT_BATCH].transpose(0, 2, 3, 1)
                logits, _ = self.network.forward(np.ascontiguousarray(images * self._scale + self._shift), mode)
                parts.append(logits)
        return [np.concatenate(level) for level in zip(*parts, strict=True)]

    def weights(self) -> Weights:
        """See `Engine.weights`."""
        return {name: np.array(value, order="C") for name, value in self._state().items()}

    def load_weights(self, weights: Weights) -> None:
        """See `Engine.load_weights`."""
        state = self._state()
        check_weights(weights, state)
        for name, value in state.items():
            value[...] = weights[name]

    def optimizer_state(self) -> Weights:
        """See `Engine.optimizer_state`. Keys are those of the PyTorch engine, e.g. `exp_avg.heads.fine.weight`."""
        return {name: np.array(value, order="C") for name, value in self.optimizer.state().items()}

    def load_optimizer_state(self, state: Weights) -> None:
        """See `Engine.load_optimizer_state`."""
        self.optimizer.load_state(state)

    def _state(self) -> Weights:
        return {name: param.value for name, param in self.network.params().items()} | self.network.buffers()


@compiled_in("gather")
def gather(pixels: Array, order: Array, rows: Array, columns: Array, scale: Array, shift: Array, batch: Array) -> None:
    """batch[b,i,j] = pixels[order[b], rows[b,i], columns[b,j]] * scale + shift

    Shapes: pixels: (N, H, W, C) uint8; order: (B,); rows: (B, H), columns: (B, W) int; batch: (B, H, W, C), written.
    """
    batch[...] = pixels[order[:, None, None], rows[:, :, None], columns[:, None, :]] * scale + shift
