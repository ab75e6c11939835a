"""The progress of a running study: a live table in a terminal, a line per event elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from treehead.inputs import printable, say
from treehead.progress import UPDATES_PER_SECOND, duration
from treehead.records.run import EpochFigures, Metrics
from treehead.study.scheduler import Board, CellState, State

COLOURS: dict[State, str] = {"finished": "green", "running": "cyan", "failed": "red", "stopped": "yellow"}
ORDER: tuple[State, ...] = ("running", "failed", "finished", "stopped", "waiting")


class PlainBoard:
    """A line whenever the state of a run changes, for logs and pipes."""

    def __init__(self) -> None:
        self._last: dict[str, State] = {}

    def show(self, states: Sequence[CellState], seconds_left: float | None) -> None:
        for state in states:
            if self._last.get(state.cell.name, "waiting") != state.state:
                say(f"{state.cell.name}: {_event(state)}; {overall(states, seconds_left)}")
            self._last[state.cell.name] = state.state


class LiveBoard:
    """A table of all runs, redrawn in place."""

    def __init__(self, live: Live, title: str) -> None:
        self._live, self._title = live, title

    def show(self, states: Sequence[CellState], seconds_left: float | None) -> None:
        room = max(4, self._live.console.height - 5)
        self._live.update(table(states, seconds_left, self._title, room=room))


def table(states: Sequence[CellState], seconds_left: float | None, title: str, *, room: int | None = None) -> Table:
    """All runs with state, epochs, validation accuracy so far, and test accuracy once finished.

    Conventions: with more runs than `room`, running ones come first, and the caption counts those left out.
    """
    drawn = Table("run", "state", box=None, title=Text(printable(title)), title_justify="left", header_style="dim")
    for head in ("epoch", "validation", "test", "time"):
        drawn.add_column(head, justify="right")
    shown = list(states)
    if room is not None and len(shown) > room:
        shown = sorted(shown, key=lambda state: ORDER.index(state.state))[:room]
    for state in shown:
        drawn.add_row(
            Text(state.cell.name),
            Text(state.state, COLOURS.get(state.state, "dim")),
            f"{state.epochs_done}/{state.cell.config.train.epochs}",
            _accuracy(state.record["validation"] if state.record else None),
            _accuracy(state.metrics),
            duration(state.seconds) if state.epochs_done else "",
        )
    left_out = f"{len(states) - len(shown)} more; " if len(shown) < len(states) else ""
    drawn.caption, drawn.caption_justify = f"{left_out}{overall(states, seconds_left)}", "left"
    return drawn


def overall(states: Sequence[CellState], seconds_left: float | None) -> str:
    """The progress of the study: 3 of 10 finished, 1 failed, about 2h05m left."""
    counts = {kind: sum(state.state == kind for state in states) for kind in ORDER}
    parts = [f"{counts['finished']} of {len(states)} finished"]
    if counts["failed"]:
        parts.append(f"{counts['failed']} failed")
    if any(counts[kind] for kind in ("running", "stopped", "waiting")):
        parts.append("time left not known yet" if seconds_left is None else f"about {duration(seconds_left)} left")
    return ", ".join(parts)


def _event(state: CellState) -> str:
    if state.metrics:
        levels = ", ".join(f"{level} {100 * value:.2f} %" for level, value in state.metrics["accuracy"].items())
        return f"finished, {levels}, {duration(state.seconds)}"
    if state.failure and state.state == "failed":
        return f"failed: {state.failure}"
    return f"{state.state}, epoch {state.epochs_done} of {state.cell.config.train.epochs}"


def _accuracy(figures: EpochFigures | Metrics | None) -> str:
    return " / ".join(f"{100 * value:.1f}" for value in figures["accuracy"].values()) + " %" if figures else ""


@contextmanager
def showing(title: str) -> Iterator[Board]:
    """A board for one study: live in a terminal, plain lines elsewhere."""
    console = Console()
    if not console.is_terminal:
        yield PlainBoard()
        return
    with Live(console=console, refresh_per_second=UPDATES_PER_SECOND) as live:
        yield LiveBoard(live, title)
