"""What changes while a run trains, decided before its first step and shared by the engines.

Axes: E epochs, S steps of an epoch, T = E * S steps of a run, L levels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from treehead.config import AugmentConfig, Loss, RunConfig, SamConfig, ScheduleConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan, size_px, steps_per_epoch
from treehead.data.balance import sampling_shares
from treehead.data.dataset import Images
from treehead.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class EpochSchedule:
    """One epoch of a `Schedule`, with its plan drawn.

    number counts from 1. epochs_left: the work after this epoch as a multiple of its own, to estimate the time left.
    Shapes: learning_rates: (S,); level_weights: (L,).
    """

    number: int
    num_epochs: int
    plan: EpochPlan
    learning_rates: Array
    level_weights: Array
    sam_radius: float
    epochs_left: float


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Everything that differs between the steps and epochs of one run.

    Shapes: learning_rates: (E, S); level_weights: (E, L); sam_radii: (E,), 0 where steps are plain; epoch_costs: (E,),
        the work of each epoch in any unit.
    draw_plan: epoch number, from 1 -> its plan.
    """

    learning_rates: Array
    level_weights: Array
    sam_radii: Array
    epoch_costs: Array
    draw_plan: Callable[[int], EpochPlan]

    @property
    def num_epochs(self) -> int:
        return len(self.learning_rates)

    def epoch(self, number: int) -> EpochSchedule:
        """Epoch `number`, from 1."""
        i = number - 1
        return EpochSchedule(
            number,
            self.num_epochs,
            self.draw_plan(number),
            self.learning_rates[i],
            self.level_weights[i],
            float(self.sam_radii[i]),
            float(self.epoch_costs[number:].sum() / self.epoch_costs[i]),
        )


def build_schedule(config: RunConfig, images: Images, *, num_levels: int) -> Schedule:
    """The schedule of a run on these training images."""
    num_epochs, image_size = config.train.epochs, images.pixels.shape[2:]
    steps = steps_per_epoch(len(images), config.train.batch_size)
    rates = learning_rates(config.schedule, peak=config.optimizer.learning_rate, num_steps=num_epochs * steps)
    radii = sam_radii(config.sam, num_epochs=num_epochs)
    plan = partial(
        draw_epoch_plan,
        config.augment,
        num_images=len(images),
        image_size=image_size,
        batch_size=config.train.batch_size,
        seed=config.seed,
        num_epochs=num_epochs,
        shares=sampling_shares(images.labels) if config.data.balance == "sampling" else None,
    )
    return Schedule(
        learning_rates=rates.reshape(num_epochs, steps),
        level_weights=level_weights(config.loss, num_levels=num_levels, num_epochs=num_epochs),
        sam_radii=radii,
        epoch_costs=epoch_costs(config.augment, radii, image_size=image_size),
        draw_plan=lambda epoch: plan(epoch=epoch),
    )


def learning_rates(schedule: ScheduleConfig, *, peak: float, num_steps: int) -> Array:
    """The learning rate of every step of a run.

        warmup:     peak * (t + 1) / W                            t < W
        linear:     peak * (1 - s)
        cosine:     peak * (1 + cos(pi * s)) / 2                  s = (t - W) / (T - W), t >= W
        constant:   peak

    Shapes: returns (T,) float64, T = num_steps.
    Conventions: t counts from 0; W = round(warmup * T). No step has a rate of 0 (the decay would reach it at t = T).
    Source: cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, one cycle.
    """
    warm = round(schedule.warmup * num_steps)
    step = np.arange(num_steps)
    decayed = np.maximum(step - warm, 0) / max(num_steps - warm, 1)
    after = {"linear": 1 - decayed, "cosine": (1 + np.cos(np.pi * decayed)) / 2, "constant": np.ones(num_steps)}
    return peak * np.where(step < warm, (step + 1) / max(warm, 1), after[schedule.decay])


def level_weights(loss: Loss, *, num_levels: int, num_epochs: int) -> Array:
    """The weights of the levels' losses in every epoch, interpolated linearly from the first epoch to the last.

    Shapes: returns (E, L) float64.
    Conventions: levels beyond the end of a list take its last value; an empty list weighs every level 1. A single epoch
        has the first weights.
    """
    first, last = (
        np.array([values[min(level, len(values) - 1)] if values else 1.0 for level in range(num_levels)])
        for values in (loss.level_weights, loss.final_level_weights or loss.level_weights)
    )
    share = np.linspace(0, 1, num_epochs)[:, None]
    return (1 - share) * first + share * last


def sam_radii(sam: SamConfig, *, num_epochs: int) -> Array:
    """The SAM radius of every epoch: 0 before `begin`, then `radius`.

    Shapes: returns (E,) float64.
    """
    return np.where(np.arange(num_epochs) >= round(sam.begin * num_epochs), sam.radius, 0.0)


def epoch_costs(augment: AugmentConfig, radii: Array, *, image_size: tuple[int, int]) -> Array:
    """The work of every epoch: pixels of an image, twice where SAM takes a second pass.

    Shapes: radii: (E,), see `sam_radii`; returns (E,) float64.
    """
    num_epochs = len(radii)
    sizes = [size_px(augment, epoch=epoch, num_epochs=num_epochs) for epoch in range(1, num_epochs + 1)]
    pixels = np.array([size**2 if size else np.prod(image_size) for size in sizes], np.float64)
    return pixels * np.where(radii > 0, 2, 1)
