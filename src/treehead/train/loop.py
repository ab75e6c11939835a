"""The training loop: an epoch's plan in, a line of history and a checkpoint out.

Axes: S steps, L levels.
"""

import math
import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from treehead.config import AugmentConfig, TrainConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.data.dataset import Splits
from treehead.engines.api import Engine, StepResults
from treehead.engines.objective import Objective, level_losses
from treehead.records.run import EpochFigures, EpochRecord
from treehead.runfiles import RunFolder
from treehead.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from treehead.train.schedule import epoch_costs
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
    def finished_epoch(self, record: EpochRecord) -> None: ...


def fit(
    engine: Engine,
    splits: Splits,
    *,
    levels: tuple[str, ...],
    objective: Objective,
    rates: Array,
    level_weights: Array,
    train: TrainConfig,
    augment: AugmentConfig,
    seed: int,
    folder: RunFolder,
    watcher: Watcher,
    radii: Array | None = None,
    shares: Array | None = None,
) -> None:
    """Train until `train.epochs` are done, from the folder's checkpoint if it has one.

    Shapes: rates: (all steps of the run,), see `schedule.learning_rates`; level_weights: (epochs, L), see
        `schedule.level_weights`; radii: (epochs,), see `schedule.radii`, all 0 without; shares: (training images,), see
        `augment.draw_epoch_plan`.
    Conventions: history is written before the checkpoint, and cut to the checkpoint's epoch on the way back, so the
        two agree wherever a run was stopped.
    Raises: RunError: the loss became NaN or infinite; the last epoch's checkpoint stays.
    """
    done, history = _restore(engine, folder)
    radii = np.zeros(train.epochs) if radii is None else radii
    costs = epoch_costs(augment, radii, image_size=splits.train.pixels.shape[2:])
    engine.load_images(splits.train.pixels, splits.train.labels)
    for epoch in range(done + 1, train.epochs + 1):
        plan = draw_epoch_plan(
            augment,
            num_images=len(splits.train),
            image_size=splits.train.pixels.shape[2:],
            batch_size=train.batch_size,
            seed=seed,
            epoch=epoch,
            num_epochs=train.epochs,
            shares=shares,
        )
        weights = level_weights[epoch - 1]
        epoch_rates = rates[(epoch - 1) * len(plan.order) : epoch * len(plan.order)]
        started = time.perf_counter()
        results = train_epoch(
            engine,
            plan,
            epoch_rates,
            epoch,
            train.epochs,
            watcher,
            level_weights=weights,
            radius=float(radii[epoch - 1]),
            epochs_left=costs[epoch:].sum() / costs[epoch - 1],
        )
        seconds = time.perf_counter() - started
        checked = _validate(engine, splits, objective)
        record: EpochRecord = {
            "epoch": epoch,
            "learning_rate": float(epoch_rates[-1]),
            "seconds": round(seconds, 3),
            "images_per_second": round(plan.order.size / seconds, 1),
            "train": _record(results, levels, weights),
            "validation": _record(checked, levels, weights),
        }
        history.append(record)
        folder.write_history(history)
        save_checkpoint(folder.checkpoint, Checkpoint(epoch, engine.weights(), engine.optimizer_state()))
        watcher.finished_epoch(record)


def _restore(engine: Engine, folder: RunFolder) -> tuple[int, list[EpochRecord]]:
    """Put the engine where the folder's checkpoint left it; gives the epochs done and their history."""
    if not folder.checkpoint.exists():
        return 0, []
    checkpoint = load_checkpoint(folder.checkpoint)
    engine.load_weights(checkpoint.weights)
    engine.load_optimizer_state(checkpoint.optimizer)
    return checkpoint.epoch, folder.read_history()[: checkpoint.epoch]


def train_epoch(
    engine: Engine,
    plan: EpochPlan,
    rates: Array,
    epoch: int,
    num_epochs: int,
    watcher: Watcher,
    *,
    level_weights: Array | None = None,
    radius: float = 0.0,
    epochs_left: float | None = None,
) -> StepResults:
    """Take every step of `plan`, telling the watcher four times a second.

    Shapes: rates: (S,), the learning rate of each step; level_weights: (L,), or the objective's.
    Conventions: radius: see `Engine.train`; epochs_left: the work after this epoch, as so many of it, for the guess
        of the time left; without it every epoch to come is taken for one like this.
    Raises: RunError: the loss became NaN or infinite.
    """
    steps, batch = plan.order.shape
    epochs_left = num_epochs - epoch if epochs_left is None else epochs_left
    parts: list[StepResults] = []
    started, done, chunk = time.perf_counter(), 0, 1
    while done < steps:
        parts.append(engine.train(plan, done, rates[done : done + chunk], level_weights, radius=radius))
        _stop_if_lost(parts[-1].losses, first_step=done, epoch=epoch, rates=rates)
        so_far = _joined(parts)
        done = len(so_far.losses)
        per_step = (time.perf_counter() - started) / done
        chunk = max(1, int(TICK_SECONDS / per_step))
        left = per_step * (steps - done + steps * epochs_left)
        losses, accuracy = _means(so_far)
        watcher.progressed(Progress(epoch, num_epochs, done, steps, losses, accuracy, batch / per_step, left))
    return _joined(parts)


def _joined(parts: list[StepResults]) -> StepResults:
    return StepResults(
        np.concatenate([part.losses for part in parts]),
        np.concatenate([part.correct for part in parts]),
        np.concatenate([part.known for part in parts]),
    )


def _means(results: StepResults) -> tuple[Array, Array]:
    """(L,) losses and accuracies over all the steps; each image whose label is known counts once."""
    known = np.maximum(results.known.sum(axis=0), 1)
    return (results.losses * results.known).sum(axis=0) / known, results.correct.sum(axis=0) / known


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
    logits, labels = engine.predict(splits.validation.pixels), splits.validation.labels
    correct = [(head.argmax(axis=1) == label).sum() for head, label in zip(logits, labels.T, strict=True)]
    known = (labels >= 0).sum(axis=0)
    return StepResults(level_losses(objective, logits, labels)[None], np.array([correct]), known[None])


def _record(results: StepResults, levels: tuple[str, ...], level_weights: Array) -> EpochFigures:
    losses, accuracy = _means(results)
    total = float(losses @ level_weights)
    assert math.isfinite(total), "a finished epoch has finite losses"
    return {
        "loss": total,
        "losses": dict(zip(levels, map(float, losses), strict=True)),
        "accuracy": dict(zip(levels, map(float, accuracy), strict=True)),
    }
