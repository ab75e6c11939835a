"""What changes while a run trains, as pure functions of the step or the epoch, shared by the engines."""

import numpy as np

from treehead.config import AugmentConfig, ScheduleConfig, SharpnessConfig
from treehead.data.augment import size_px
from treehead.types import Array


def learning_rates(schedule: ScheduleConfig, *, peak: float, num_steps: int) -> Array:
    """The rate of every step of a run.

        climb:      peak * (t + 1) / W                            t < W
        linear:     peak * (1 - s)
        cosine:     peak * (1 + cos(pi * s)) / 2                  s = (t - W) / (T - W), t >= W
        constant:   peak

    Shapes: returns (T,) float64, T = num_steps.
    Conventions: t counts from 0; W = round(warmup * T). No step has a rate of 0 (the fall would reach it at t = T).
    Source: cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, one cycle.
    """
    warm = round(schedule.warmup * num_steps)
    step = np.arange(num_steps)
    fallen = np.maximum(step - warm, 0) / max(num_steps - warm, 1)
    after = {"linear": 1 - fallen, "cosine": (1 + np.cos(np.pi * fallen)) / 2, "constant": np.ones(num_steps)}
    return peak * np.where(step < warm, (step + 1) / max(warm, 1), after[schedule.decay])


def level_weights(start: Array, end: Array, *, num_epochs: int) -> Array:
    """The weights of the levels' losses in every epoch: a line from `start` in the first to `end` in the last.

    Shapes: start, end: (L,); returns (num_epochs, L) float64.
    """
    share = np.linspace(0, 1, num_epochs)[:, None]
    return (1 - share) * start + share * end


def radii(sharpness: SharpnessConfig, *, num_epochs: int) -> Array:
    """The radius of the sharpness-aware steps of every epoch: 0 until `begin`, then all of it.

    Shapes: returns (num_epochs,) float64.
    """
    return np.where(np.arange(num_epochs) >= round(sharpness.begin * num_epochs), sharpness.radius, 0.0)


def epoch_costs(augment: AugmentConfig, radii: Array, *, image_size: tuple[int, int]) -> Array:
    """The work of every epoch: pixels seen of an image, twice where steps are sharpness-aware.

    Shapes: radii: (epochs,), see `radii`; returns (epochs,) float64.
    """
    num_epochs = len(radii)
    sizes = [size_px(augment, epoch=epoch, num_epochs=num_epochs) for epoch in range(1, num_epochs + 1)]
    pixels = np.array([size**2 if size else np.prod(image_size) for size in sizes], np.float64)
    return pixels * np.where(radii > 0, 2, 1)
