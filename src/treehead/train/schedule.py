"""The learning rate: a pure function of the step, shared by the engines."""

import numpy as np

from treehead.config import ScheduleConfig
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
