"""The command `treehead study`: select the runs, run them, print the answers."""

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console

from treehead.inputs import printable, say
from treehead.runfiles import StudyFolder
from treehead.study import board
from treehead.study.builtin import study_of
from treehead.study.grid import Cell, Study, cells, with_changes, with_seeds
from treehead.study.scheduler import run_study, seconds_left, state_of
from treehead.study.summary import write_summary
from treehead.types import RunError, UserError


def planned(
    name: str, changes: Mapping[str, object], only: Sequence[str], *, seeds: int | None, out: Path | None
) -> tuple[Study, Path, list[Cell]]:
    """The study of a command line, its folder, and the cells to run.

    Args:
        name: A built-in study, a TOML file, or the folder of a study.
        changes: Config values for all runs, by dotted key.
        only: `AXIS=CHOICE[,CHOICE]`: run only these cells.
        seeds: Number of seeds of every cell; None keeps those of the study.
        out: The study's folder; None for the default.

    Raises:
        UserError: There is no such study, axis, choice or config key.
    """
    study, root = study_of(name)
    study = with_changes(study, dict(changes))
    study = with_seeds(study, seeds) if seeds else study
    return study, out or root, cells(study, _only(only))


def show_list(study: Study, root: Path, chosen: Sequence[Cell]) -> None:
    """Print the selected runs and their progress."""
    states = [state_of(StudyFolder(root), cell) for cell in chosen]
    console = Console(width=None if sys.stdout.isatty() else 120)
    about = printable(f"{study.name}: {study.about}" if study.about else study.name)
    console.print(about, markup=False, highlight=False)
    console.print(board.table(states, seconds_left(states, 1), str(root)))


def run(study: Study, root: Path, chosen: Sequence[Cell], *, jobs: int, draw: Callable[[Path], Path]) -> None:
    """Run the cells and show their progress, print the answers, and `draw` the report.

    Raises: RunError: a run has failed; the others were run nevertheless.
    """
    with board.showing(f"study {study.name}, {root}") as display:
        states = run_study(study, root, cells=chosen, jobs=jobs, board=display, on_finished=lambda: _update(root))
    for question, answers in groupby(write_summary(root)["answers"], lambda answer: answer["question"]):
        say(question, *(f"  {answer['text']}" for answer in answers))
    say(f"report: {draw(root)}")
    if failed := [state for state in states if state.state == "failed"]:
        for state in failed:
            say(f"{state.cell.name} failed: {state.failure}", file=sys.stderr)
        raise RunError(f"{len(failed)} of {len(states)} runs failed; run them again with: treehead study {root}")


def _update(root: Path) -> None:
    write_summary(root)


def _only(arguments: Sequence[str]) -> dict[str, list[str]]:
    """`--only optimizer=adam,sgd` -> {"optimizer": ["adam", "sgd"]}."""
    selected: dict[str, list[str]] = {}
    for argument in arguments:
        axis, _, choices = argument.partition("=")
        if not choices:
            raise UserError(f"--only {argument!r} is not AXIS=CHOICE; an example: --only optimizer=adam")
        selected[axis] = choices.split(",")
    return selected
