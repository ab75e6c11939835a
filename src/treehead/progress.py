"""Progress while a command works: a live display in a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from treehead.inputs import printable
from treehead.records.run import EpochFigures, EpochRecord
from treehead.training.loop import Callback
from treehead.training.loop import Progress as TrainingProgress
from treehead.types import OnProgress

UPDATES_PER_SECOND = 4
SHOWN_EPOCHS = 8
"""The live table shows this many of the last epochs."""


class PlainCallback:
    """Prints a line for each epoch, for logs and pipes."""

    def on_progress(self, progress: TrainingProgress) -> None:
        self._last = progress

    def on_epoch_end(self, record: EpochRecord) -> None:
        train, validation = record["train"], record["validation"]
        heads = (f"{level} {' '.join(_pair(level, train, validation))}" for level in train["losses"])
        print(
            f"epoch {record['epoch']}/{self._last.num_epochs}  {'  '.join(heads)}  "
            f"{record['images_per_second']:.0f} images/s  {duration(self._last.seconds_left)} left",
            flush=True,
        )


class LiveCallback:
    """Shows a table of the last epochs, and below it the progress of the current one."""

    def __init__(self, live: Live, title: str) -> None:
        self._live, self._title = live, title
        self._records: list[EpochRecord] = []

    def on_progress(self, progress: TrainingProgress) -> None:
        self._live.update(Group(self._table(), _line(progress)))

    def on_epoch_end(self, record: EpochRecord) -> None:
        self._records.append(record)
        self._live.update(self._table())

    def _table(self) -> Table:
        table = Table("epoch", title=Text(printable(self._title)), title_justify="left", box=None, header_style="dim")
        for level in self._records[-1]["train"]["losses"] if self._records else ():
            table.add_column(Text(f"{level} loss"), justify="right")
            table.add_column("accuracy", justify="right")
        for record in self._records[-SHOWN_EPOCHS:]:
            train, validation = record["train"], record["validation"]
            cells = (cell for level in train["losses"] for cell in _pair(level, train, validation, between=" / "))
            table.add_row(str(record["epoch"]), *cells)
        if self._records:
            table.caption, table.caption_justify = "training / validation", "left"
        return table


def _pair(level: str, train: EpochFigures, validation: EpochFigures, *, between: str = "/") -> tuple[str, str]:
    """Loss and accuracy of one head on training and validation images."""
    losses = (f"{part['losses'][level]:.3f}" for part in (train, validation))
    accuracies = (f"{100 * part['accuracy'][level]:.1f}" for part in (train, validation))
    return between.join(losses), f"{between.join(accuracies)} %"


def _line(progress: TrainingProgress) -> str:
    losses = " ".join(f"{loss:.3f}" for loss in progress.losses)
    accuracy = " ".join(f"{100 * share:.1f}" for share in progress.accuracy)
    return (
        f"epoch {progress.epoch}/{progress.num_epochs}  step {progress.step}/{progress.num_steps}  loss {losses}  "
        f"accuracy {accuracy} %  {progress.images_per_second:.0f} images/s  {duration(progress.seconds_left)} left"
    )


@contextmanager
def watching(title: str) -> Iterator[Callback]:
    """The callback of one training: a live display in a terminal, plain lines elsewhere."""
    console = Console()
    if not console.is_terminal:
        yield PlainCallback()
        return
    with Live(console=console, refresh_per_second=UPDATES_PER_SECOND) as live:
        yield LiveCallback(live, title)


@contextmanager
def progress_bar(
    description: str, *, unit: Literal["items", "bytes"] = "items", visible: bool = True
) -> Iterator[OnProgress]:
    """A bar on standard error with amount, rate and time left; it appears at the first call of what it yields.

    Args:
        description: What is counted, such as "images".
        unit: How amounts are written: as numbers, or as sizes.
        visible: False shows no bar, as does standard error that is not a terminal.
    """
    amount = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(), _RateColumn())
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *amount,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not (visible and sys.stderr.isatty()),
        refresh_per_second=UPDATES_PER_SECOND,
    ) as bar:
        task = bar.add_task(description, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


class _RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:,.0f}/s", "progress.data.speed")


def duration(seconds: float) -> str:
    """A time span in short: 1h05m, 4m20s or 9s."""
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{whole:02d}s" if minutes else f"{whole}s"
