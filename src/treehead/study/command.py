"""What `treehead study` does: from words to a study, run, summed up and said."""

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console

from treehead.runfiles import StudyFolder
from treehead.study import board
from treehead.study.builtin import study_of
from treehead.study.grid import Cell, Study, cells, with_changes, with_seeds
from treehead.study.scheduler import run_study, seconds_left, state_of
from treehead.study.summary import write_summary
from treehead.types import RunError, UserError


def planned(
    word: str, changes: Mapping[str, object], only: Sequence[str], *, seeds: int | None, out: Path | None
) -> tuple[Study, Path, list[Cell]]:
    """The study that the words ask for, its folder, and the cells to run now."""
    study, root = study_of(word)
    study = with_changes(study, dict(changes))
    study = with_seeds(study, seeds) if seeds else study
    return study, out or root, cells(study, _only(only))


def show_list(study: Study, root: Path, chosen: Sequence[Cell]) -> None:
    """Print every run and how far it is."""
    states = [state_of(StudyFolder(root), cell) for cell in chosen]
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"{study.name}: {study.about}" if study.about else study.name, markup=False, highlight=False)
    console.print(board.table(states, seconds_left(states, 1), str(root)))


def run(study: Study, root: Path, chosen: Sequence[Cell], *, jobs: int, draw: Callable[[Path], Path]) -> None:
    """Run the cells with a board to watch, say what came of it, and `draw` the report.

    Raises: RunError: a run failed; the others were run nevertheless.
    """
    with board.showing(f"study {study.name}, {root}") as shown:
        states = run_study(study, root, cells=chosen, jobs=jobs, board=shown, finished=lambda: _sum_up(root))
    for question, told in groupby(write_summary(root)["answers"], lambda answer: answer["question"]):
        print(question, *(f"  {answer['text']}" for answer in told), sep="\n")
    print(f"report: {draw(root)}")
    if failed := [state for state in states if state.state == "failed"]:
        for state in failed:
            print(f"{state.cell.name} failed: {state.failure}", file=sys.stderr)
        raise RunError(f"{len(failed)} of {len(states)} runs failed; treehead study {root} tries them again")


def _sum_up(root: Path) -> None:
    write_summary(root)


def _only(words: Sequence[str]) -> dict[str, list[str]]:
    """`--only optimizer=adam,sgd` -> {"optimizer": ["adam", "sgd"]}."""
    chosen: dict[str, list[str]] = {}
    for word in words:
        axis, equals, choices = word.partition("=")
        if not equals or not choices:
            raise UserError(f"--only {word!r} is no AXIS=CHOICE; write for example --only optimizer=adam")
        chosen[axis] = choices.split(",")
    return chosen
