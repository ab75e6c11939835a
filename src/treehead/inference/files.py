"""Predict any number of image files, in constant memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from treehead.data.image_batches import find_images, read_batches
from treehead.inference.classifier import Classifier
from treehead.inference.output import PredictOptions
from treehead.inference.writers import WriteBatch
from treehead.system import usable_cores
from treehead.types import UserError

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called with the number of files done and the total number."""

MAX_REASONS = 20
"""Unreadable files that are listed with their reason; the others are only counted."""


@dataclass(slots=True)
class Outcome:
    """How many files were predicted, how many could not be read, and why the first of these could not."""

    answered: int = 0
    unreadable: int = 0
    reasons: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """One line per unreadable file, up to a limit; [] if there are none."""
        more = self.unreadable - len(self.reasons)
        return [*self.reasons, f"and {more:,} more"] if more else self.reasons


def predict_files(
    classifier: Classifier,
    places: Sequence[Path],
    options: PredictOptions,
    *,
    write: WriteBatch,
    on_progress: OnProgress,
) -> Outcome:
    """Predict files, and the images in folders, in order; `write` gets the predictions a batch at a time.

    Conventions: an unreadable file does not stop the others.
    Raises: UserError: a place does not exist, no images, no readable image, or options that do not fit the tree.
    """
    options.check(classifier)
    total = sum(1 for _ in find_images(places))
    if not total:
        raise UserError(f"no file in {', '.join(map(str, places))} has the suffix of an image format")
    outcome = Outcome()
    for batch in read_batches(find_images(places), shape=classifier.input_shape, threads=usable_cores()):
        if batch.paths:
            write(batch.paths, classifier.predict(batch.pixels, under=options.under))
        outcome.answered += len(batch.paths)
        outcome.unreadable += len(batch.failures)
        room = MAX_REASONS - len(outcome.reasons)
        outcome.reasons += [reason for _, reason in batch.failures[:room]]
        on_progress(outcome.answered + outcome.unreadable, total)
    if not outcome.answered:
        raise UserError("; ".join(["none of the images could be read", *outcome.lines()]))
    return outcome
