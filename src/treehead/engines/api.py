"""What every engine answers. Arrays in, arrays out: no tree, no file, no clock.

Axes: N images, B batch, L levels, K classes of a level, S steps.
"""

from dataclasses import dataclass
from typing import Protocol

from treehead.config import EngineConfig
from treehead.data.augment import EpochPlan
from treehead.types import Array, Weights


@dataclass(frozen=True, slots=True)
class StepResults:
    """What some training steps gave.

    Shapes: losses: (S, L) float64, mean over the batch's images whose label is known at that level, in nats, not yet
        weighted by level; correct: (S, L) int64, images whose head was right, measured in training mode; known:
        (S, L) int64, images whose label is known at that level.
    """

    losses: Array
    correct: Array
    known: Array


class Engine(Protocol):
    """A network with its optimizer, and the training images where the device can reach them."""

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def accelerator(self) -> str | None:
        """The name of the device, as its maker sells it; None where it is the processor."""
        ...

    @staticmethod
    def check(config: EngineConfig) -> None:
        """Raises: UserError: a device or precision that the engine lacks, here or altogether; it costs no time."""

    def load_images(self, pixels: Array, labels: Array) -> None:
        """Keep the training images. Shapes: pixels: (N, C, H, W) uint8; labels: (N, L) int64.

        Conventions: a label of -1 is not known at that level: the head there learns nothing from the image.
        """
        ...

    def train(
        self,
        plan: EpochPlan,
        start: int,
        learning_rates: Array,
        level_weights: Array | None = None,
        *,
        radius: float = 0.0,
    ) -> StepResults:
        """Take the steps start, start + 1, ... of `plan`, one per learning rate.

        Shapes: level_weights: (L,), in place of the objective's.
        Conventions: with a `radius`, a step's gradient is that of the weights moved so far up the loss, see
            `SharpnessConfig`; what the step tells is of the weights where they were.
        """
        ...

    def predict(self, pixels: Array) -> list[Array]:
        """Logits of every head, leaves first, in inference mode. Returns: per level (N, K) float32."""
        ...

    def weights(self) -> Weights:
        """Parameters and buffers, float32, under the names of the spec; copies."""
        ...

    def load_weights(self, weights: Weights) -> None:
        """Raises: UserError: a name or a shape is not this network's."""
        ...

    def optimizer_state(self) -> Weights:
        """All that the optimizer remembers, as `<what>.<parameter>`; copies."""
        ...

    def load_optimizer_state(self, state: Weights) -> None: ...
