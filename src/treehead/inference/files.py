"""Answers for any number of image files, in memory that does not grow with it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from treehead.data.image_batches import find_images, read_batches
from treehead.inference.classifier import Classifier
from treehead.inference.prediction import Prediction
from treehead.inference.table import Wanted, objects, texts
from treehead.inference.writers import Write, writer_of
from treehead.runfiles import written_whole
from treehead.system import usable_cores
from treehead.types import UserError

Report: TypeAlias = Callable[[int, int], None]
"""Told how many files are done, of how many."""

FAILURES_TOLD = 20
"""Unreadable files that are told with their reason; beyond these they are counted."""


@dataclass(slots=True)
class Outcome:
    """How many files were answered for, how many could not be read, and of the first of these the reasons."""

    answered: int = 0
    unreadable: int = 0
    reasons: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The unreadable files, a line each; [] where there are none."""
        more = self.unreadable - len(self.reasons)
        return [*self.reasons, f"and {more:,} more"] if more else self.reasons


def predict_files(
    classifier: Classifier, places: Sequence[Path], wanted: Wanted, *, write: Write, report: Report
) -> Outcome:
    """Answer for files, and for the images in folders, in order; `write` gets them a batch at a time.

    Conventions: an unreadable file does not stop the rest.
    Raises: UserError: there is nothing at a place, no image among them, or not one that can be read; a wish the tree
        cannot fulfil.
    """
    wanted.check(classifier.tree)
    total = sum(1 for _ in find_images(places))
    if not total:
        where = ", ".join(map(str, places)) or "what was named"
        raise UserError(f"there are no images in {where}: no file there has the suffix of an image format")
    outcome = Outcome()
    for batch in read_batches(find_images(places), shape=classifier.input_shape, threads=usable_cores()):
        if batch.paths:
            write(batch.paths, classifier.predict(batch.pixels, under=wanted.under))
        outcome.answered += len(batch.paths)
        outcome.unreadable += len(batch.failures)
        told = FAILURES_TOLD - len(outcome.reasons)
        outcome.reasons += [reason for _, reason in batch.failures[:told]]
        report(outcome.answered + outcome.unreadable, total)
    if not outcome.answered:
        raise UserError("; ".join(["not one image could be read", *outcome.lines()]))
    return outcome


@contextmanager
def table(path: Path, wanted: Wanted, *, replace: bool) -> Iterator[Write]:
    """A table of predictions at `path`, there once all is written, or not at all.

    Raises: UserError: the file is there already and may not be replaced; its suffix names no format; the extra
        `parquet` is missing.
    """
    writer = writer_of(path)
    if path.exists() and not replace:
        raise UserError(f"{path} is there already; --force replaces it, --out names another file")
    with written_whole(path) as temporary, writer(temporary, wanted) as write:
        yield write


@contextmanager
def printed(wanted: Wanted, *, as_json: bool) -> Iterator[Write]:
    """Predictions on standard output, for people or, `as_json`, an object a line.

    Raises: UserError: nodes are wanted, and not as JSON.
    """
    if wanted.nodes and not as_json:
        raise UserError("--nodes tells of every class: write a table with --out, or add --json")

    def write(images: Sequence[Path], prediction: Prediction) -> None:
        if as_json:
            lines = (json.dumps(said, ensure_ascii=False) for said in objects(images, prediction, wanted))
        else:
            lines = texts(images, prediction, wanted)
        for line in lines:
            print(line)

    yield write
