"""The training loop: an epoch's plan in, a line of history and a checkpoint out.

Axes: S steps, L levels.
"""

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from treehead.config import AugmentConfig, TrainConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.data.dataset import Splits
from treehead.engines.api import Engine, Objective, StepResults
from treehead.runfiles import RunFolder
from treehead.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from treehead.types import Array, RunError

TICK_SECONDS = 0.25
"""Steps are taken in chunks of about this long, so that progress shows and Ctrl-C is heard."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run is. Shapes: losses, accuracy: (L,), means over the epoch so far."""

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    losses: Array
    accuracy: Array
    images_per_second: float
    seconds_left: float


class Watcher(Protocol):
    """Whoever wants to know how a run goes."""

    def progressed(self, progress: Progress) -> None: ...
    def finished_epoch(self, record: dict[str, Any]) -> None: ...


def fit(
    engine: Engine,
    splits: Splits,
    *,
    levels: tuple[str, ...],
    objective: Objective,
    rates: Array,
    train: TrainConfig,
    augment: AugmentConfig,
    seed: int,
    folder: RunFolder,
    watcher: Watcher,
) -> None:
    """Train until `train.epochs` are done, from the folder's checkpoint if it has one.

    Shapes: rates: (all steps of the run,), see `schedule.learning_rates`.
    Conventions: history is written before the checkpoint, and cut to the checkpoint's epoch on the way back, so the
        two agree wherever a run was stopped.
    Raises: RunError: the loss became NaN or infinite; the last epoch's checkpoint stays.
    """
    done, history = _restore(engine, folder)
    engine.load_images(splits.train.pixels, splits.train.labels)
    for epoch in range(done + 1, train.epochs + 1):
        plan = draw_epoch_plan(
            augment,
            num_images=len(splits.train),
            image_size=splits.train.pixels.shape[2:],
            batch_size=train.batch_size,
            seed=seed,
            epoch=epoch,
        )
        epoch_rates = rates[(epoch - 1) * len(plan.order) : epoch * len(plan.order)]
        started = time.perf_counter()
        results = train_epoch(engine, plan, epoch_rates, epoch, train.epochs, watcher)
        seconds = time.perf_counter() - started
        checked = _validate(engine, splits, objective)
        record = {
            "epoch": epoch,
            "learning_rate": float(epoch_rates[-1]),
            "seconds": round(seconds, 3),
            "images_per_second": round(plan.order.size / seconds, 1),
            "train": _record(results, plan.order.size, levels, objective),
            "validation": _record(checked, len(splits.validation), levels, objective),
        }
        history.append(record)
        folder.write_history(history)
        save_checkpoint(folder.checkpoint, Checkpoint(epoch, engine.weights(), engine.optimizer_state()))
        watcher.finished_epoch(record)


def _restore(engine: Engine, folder: RunFolder) -> tuple[int, list[dict[str, Any]]]:
    """Put the engine where the folder's checkpoint left it; gives the epochs done and their history."""
    if not folder.checkpoint.exists():
        return 0, []
    checkpoint = load_checkpoint(folder.checkpoint)
    engine.load_weights(checkpoint.weights)
    engine.load_optimizer_state(checkpoint.optimizer)
    return checkpoint.epoch, folder.read_history()[: checkpoint.epoch]


def train_epoch(
    engine: Engine, plan: EpochPlan, rates: Array, epoch: int, num_epochs: int, watcher: Watcher
) -> StepResults:
    """Take every step of `plan`, telling the watcher four times a second.

    Shapes: rates: (S,), the learning rate of each step.
    Raises: RunError: the loss became NaN or infinite.
    """
    steps, batch = plan.order.shape
    losses, correct = np.zeros((0, 1)), np.zeros((0, 1))
    started, done, chunk = time.perf_counter(), 0, 1
    while done < steps:
        results = engine.train(plan, done, rates[done : done + chunk])
        losses = results.losses if done == 0 else np.concatenate([losses, results.losses])
        correct = results.correct if done == 0 else np.concatenate([correct, results.correct])
        _stop_if_lost(results.losses, first_step=done, epoch=epoch, rates=rates)
        done = len(losses)
        per_step = (time.perf_counter() - started) / done
        chunk = max(1, int(TICK_SECONDS / per_step))
        left = per_step * (steps - done + steps * (num_epochs - epoch))
        accuracy = correct.sum(0) / (done * batch)
        watcher.progressed(Progress(epoch, num_epochs, done, steps, losses.mean(0), accuracy, batch / per_step, left))
    return StepResults(losses, correct)


def _stop_if_lost(losses: Array, *, first_step: int, epoch: int, rates: Array) -> None:
    bad = ~np.isfinite(losses).all(axis=1)
    if bad.any():
        step = first_step + int(bad.argmax())
        raise RunError(
            f"the loss became {losses[bad.argmax()].sum()} at step {step + 1} of epoch {epoch}, learning rate "
            f"{rates[step]:.3g}; try a smaller optimizer.learning_rate, a longer schedule.warmup, or "
            f"engine.precision=float32; the checkpoint of epoch {epoch - 1} is kept"
        )


def _validate(engine: Engine, splits: Splits, objective: Objective) -> StepResults:
    """The training loss and the hits on the validation images, summed up as one step."""
    losses, correct = [], []
    for logits, targets, labels in zip(
        engine.predict(splits.validation.pixels), objective.targets, splits.validation.labels.T, strict=True
    ):
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses.append(-(targets[labels] * log_probs).sum(axis=1).mean())
        correct.append((logits.argmax(axis=1) == labels).sum())
    return StepResults(np.array([losses]), np.array([correct]))


def _record(results: StepResults, num_images: int, levels: tuple[str, ...], objective: Objective) -> dict[str, Any]:
    losses, accuracy = results.losses.mean(axis=0), results.correct.sum(axis=0) / num_images
    total = float(losses @ objective.level_weights)
    assert math.isfinite(total), "a finished epoch has finite losses"
    return {
        "loss": total,
        "losses": dict(zip(levels, map(float, losses), strict=True)),
        "accuracy": dict(zip(levels, map(float, accuracy), strict=True)),
    }
