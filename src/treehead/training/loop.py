"""The training loop: a schedule in, a line of history and a checkpoint per epoch out.

Axes: S steps, L levels.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from treehead.data.dataset import Images
from treehead.engines.api import StepResults, Trainer
from treehead.engines.objective import level_losses
from treehead.records.run import EpochFigures, EpochRecord
from treehead.runfiles import RunFolder
from treehead.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from treehead.training.resuming import HISTORY, check_resumable, history_digest
from treehead.training.schedule import EpochSchedule, Schedule
from treehead.types import Array, RunError

TICK_SECONDS = 0.25
"""Steps are taken in chunks of about this long, so that progress is reported and Ctrl-C takes effect."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training run is.

    Attributes:
        epoch: The epoch under way, from 1.
        num_epochs: Number of epochs of the run.
        step: Steps done in this epoch.
        num_steps: Steps per epoch.
        losses: Mean training loss of each head in this epoch so far, (L,), leaves first.
        accuracy: Mean training accuracy of each head in this epoch so far, (L,).
        images_per_second: Training images per second.
        seconds_left: Estimated time to the end of the run.
    """

    epoch: int
    num_epochs: int
    step: int
    num_steps: int
    losses: Array
    accuracy: Array
    images_per_second: float
    seconds_left: float


class Callback(Protocol):
    """Receives the progress of a training run.

    An exception raised by a method stops the run; `treehead.resume` continues after the last finished epoch.
    """

    def on_progress(self, progress: Progress) -> None:
        """Called about four times a second while an epoch is under way, and at its last step."""
        ...

    def on_epoch_end(self, record: EpochRecord) -> None:
        """Called after every epoch, when its record is in the history and its checkpoint is saved.

        Args:
            record: The epoch's line of `history.jsonl`: `epoch`, `learning_rate`, `seconds`, `images_per_second`, and
                under `train` and `validation` the `loss`, the `losses` and the `accuracy` of every level.
        """
        ...


def fit(
    trainer: Trainer,
    validation: Images,
    schedule: Schedule,
    *,
    levels: tuple[str, ...],
    folder: RunFolder,
    belongs_to: Mapping[str, str],
    callback: Callback,
) -> None:
    """Train to the end of the schedule, from the folder's checkpoint if it has one.

    Conventions: history is written before the checkpoint, and cut to the checkpoint's epoch on resuming, so the two
        agree wherever a run was stopped. `belongs_to` goes into every checkpoint; see `resuming.check_resumable`.
    Raises: RunError: the loss became NaN or infinite; the last epoch's checkpoint is kept. UserError: the checkpoint is
        damaged or belongs to something else.
    """
    done, history = _restore(trainer, folder, belongs_to, schedule.num_epochs)
    for number in range(done + 1, schedule.num_epochs + 1):
        epoch = schedule.epoch(number)
        started = time.perf_counter()
        results = train_epoch(trainer, epoch, callback)
        seconds = time.perf_counter() - started
        checked = _validate(trainer, validation)
        _stop_if_not_finite(checked.losses, len(epoch.learning_rates) - 1, epoch)
        record: EpochRecord = {
            "epoch": number,
            "learning_rate": float(epoch.learning_rates[-1]),
            "seconds": round(seconds, 3),
            "images_per_second": round(epoch.plan.order.size / seconds, 1),
            "train": _record(results, levels, epoch.level_weights),
            "validation": _record(checked, levels, epoch.level_weights),
        }
        history.append(record)
        folder.write_history(history)
        facts = {**belongs_to, HISTORY: history_digest(history)}
        checkpoint = Checkpoint(number, trainer.engine.weights(), trainer.optimizer_state(), facts)
        save_checkpoint(folder.checkpoint, checkpoint)
        callback.on_epoch_end(record)


def _restore(
    trainer: Trainer, folder: RunFolder, belongs_to: Mapping[str, str], num_epochs: int
) -> tuple[int, list[EpochRecord]]:
    """Restore the state of the folder's checkpoint, if any; returns the epochs done and their history."""
    if not folder.checkpoint.exists():
        return 0, []
    checkpoint = load_checkpoint(folder.checkpoint)
    history = check_resumable(checkpoint, belongs_to, folder, num_epochs=num_epochs)
    trainer.engine.load_weights(checkpoint.weights)
    trainer.load_optimizer_state(checkpoint.optimizer)
    return checkpoint.epoch, history


def train_epoch(trainer: Trainer, epoch: EpochSchedule, callback: Callback) -> StepResults:
    """Take every step of an epoch, reporting progress four times a second.

    Raises: RunError: the loss became NaN or infinite.
    """
    steps, batch = epoch.plan.order.shape
    parts: list[StepResults] = []
    started, done, chunk = time.perf_counter(), 0, 1
    while done < steps:
        rates = epoch.learning_rates[done : done + chunk]
        parts.append(trainer.train(epoch.plan, done, rates, epoch.level_weights, sam_radius=epoch.sam_radius))
        _stop_if_not_finite(parts[-1].losses, done, epoch)
        so_far = _joined(parts)
        done = len(so_far.losses)
        per_step = (time.perf_counter() - started) / done
        chunk = max(1, int(TICK_SECONDS / per_step))
        left = per_step * (steps - done + steps * epoch.epochs_left)
        losses, accuracy = _means(so_far)
        callback.on_progress(
            Progress(epoch.number, epoch.num_epochs, done, steps, losses, accuracy, batch / per_step, left)
        )
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


def _stop_if_not_finite(losses: Array, first_step: int, epoch: EpochSchedule) -> None:
    finite = np.isfinite(losses).all(axis=1)
    if not finite.all():
        bad = int(finite.argmin())
        step = first_step + bad
        raise RunError(
            f"the loss became {losses[bad].sum()} at step {step + 1} of epoch {epoch.number}, learning rate "
            f"{epoch.learning_rates[step]:.3g}; try a smaller optimizer.learning_rate, a longer schedule.warmup, or "
            f"engine.precision=float32; the checkpoint of epoch {epoch.number - 1} is kept"
        )


def _validate(trainer: Trainer, images: Images) -> StepResults:
    """The training loss and the correct answers on the validation images, as if of one step."""
    logits, labels = trainer.engine.predict(images.pixels), images.labels
    correct = [(head.argmax(axis=1) == label).sum() for head, label in zip(logits, labels.T, strict=True)]
    known = (labels >= 0).sum(axis=0)
    return StepResults(level_losses(trainer.objective, logits, labels)[None], np.array([correct]), known[None])


def _record(results: StepResults, levels: tuple[str, ...], level_weights: Array) -> EpochFigures:
    losses, accuracy = _means(results)
    total = float(losses @ level_weights)
    assert math.isfinite(total), "a finished epoch has finite losses"
    return {
        "loss": total,
        "losses": dict(zip(levels, map(float, losses), strict=True)),
        "accuracy": dict(zip(levels, map(float, accuracy), strict=True)),
    }
