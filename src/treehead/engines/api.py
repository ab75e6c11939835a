"""What every engine can do. Arrays in, arrays out: no tree, no file, no clock.

Axes: N images, B batch, L levels, K classes of a level, S steps.
"""

from dataclasses import dataclass
from typing import Protocol

from treehead.config import EngineConfig, Optimizer
from treehead.data.augment import EpochPlan
from treehead.data.dataset import Images
from treehead.engines.objective import Objective
from treehead.types import Array, Weights


@dataclass(frozen=True, slots=True)
class StepResults:
    """Losses and correct answers of some training steps.

    Shapes: losses: (S, L) float64, mean over the batch's images whose label is known at that level, in nats, not yet
        weighted by level; correct: (S, L) int64, images whose head was right, measured in training mode; known:
        (S, L) int64, images whose label is known at that level.
    """

    losses: Array
    correct: Array
    known: Array


class Engine(Protocol):
    """A network that predicts. `trainer` gives what trains it."""

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def accelerator(self) -> str | None:
        """The device's product name; None if the device is the processor."""
        ...

    @staticmethod
    def check(config: EngineConfig) -> None:
        """Raises: UserError: the engine or this machine lacks the device or precision; takes no time."""

    def predict(self, pixels: Array) -> list[Array]:
        """Logits of every head, leaves first, in inference mode.

        Shapes: pixels: (N, C, H, W) uint8; returns per level (N, K) float32.
        """
        ...

    def weights(self) -> Weights:
        """Parameters and buffers, float32, under the names of the spec; copies."""
        ...

    def load_weights(self, weights: Weights) -> None:
        """Raises: UserError: a name or a shape does not belong to this network."""
        ...

    def trainer(self, objective: Objective, optimizer: Optimizer, images: Images) -> "Trainer":
        """What trains this network on these images, with a new optimizer.

        Conventions: a label of -1 is not known at that level: the head of that level learns nothing from the image.
        """
        ...


class Trainer(Protocol):
    """An engine with its objective, its optimizer, and the training images on its device."""

    @property
    def engine(self) -> Engine:
        """The network being trained."""
        ...

    @property
    def objective(self) -> Objective: ...

    def train(
        self, plan: EpochPlan, start: int, learning_rates: Array, level_weights: Array, *, sam_radius: float = 0.0
    ) -> StepResults:
        """Take the steps start, start + 1, ... of `plan`, one per learning rate.

        Shapes: learning_rates: (S,); level_weights: (L,).
        Conventions: with a `sam_radius`, the gradient of a step is taken at perturbed weights, see `sam_perturbation`;
            its results are those of the unperturbed weights.
        """
        ...

    def optimizer_state(self) -> Weights:
        """The optimizer's whole state, as `<what>.<parameter>`; copies."""
        ...

    def load_optimizer_state(self, state: Weights) -> None: ...
