"""Running a study: every cell a process of its own, every state read from files, so any of them may stop at any moment.

A cell's run is the same `treehead train` or `treehead resume` that a person would type; its folder says how far it is.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from treehead.config import RunConfig, read_config, write_config
from treehead.data.load import image_shape
from treehead.runfiles import RunFolder, StudyFolder, make_folder, write_json, write_text
from treehead.study.grid import Cell, Study, write_study
from treehead.training.schedule import epoch_costs, sam_radii
from treehead.types import Array, UserError

State = Literal["finished", "running", "stopped", "failed", "waiting"]
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 60
"""How long an interrupted run may take to end before it is killed; its last checkpoint stays either way."""


@dataclass(frozen=True, slots=True)
class CellState:
    """How far one cell is. history: a record per epoch; failure: why it failed; machine: where it was begun."""

    cell: Cell
    state: State
    history: list[dict[str, Any]]
    metrics: dict[str, Any] | None
    failure: str | None
    machine: str | None = None

    @property
    def record(self) -> dict[str, Any] | None:
        """The last epoch's."""
        return self.history[-1] if self.history else None

    @property
    def epochs_done(self) -> int:
        return len(self.history)

    @property
    def seconds(self) -> float:
        return sum(record["seconds"] for record in self.history)


class Board(Protocol):
    """Whoever wants to see how a study goes."""

    def show(self, states: Sequence[CellState], seconds_left: float | None) -> None: ...


class Process(Protocol):
    """A run under way: what `subprocess.Popen` offers and we need."""

    def poll(self) -> int | None: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Launch = Callable[[list[str], Path, int], Process]
"""(words after `treehead`, log file, which of the jobs' places) -> the process."""


def run_study(
    study: Study,
    root: Path,
    *,
    cells: Sequence[Cell],
    jobs: int,
    board: Board,
    finished: Callable[[], None] = lambda: None,
    launch: Launch | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> list[CellState]:
    """Run those `cells` of `study` that are not finished, `jobs` at a time; gives the state of each afterwards.

    Conventions: a stopped run is resumed, a failed one tried again, once; `finished` is called after every run.
    Raises: UserError: a cell was begun with another config, or another process is at work in the folder.
    """
    folder = StudyFolder(root)
    _refuse_other_configs(folder, cells)
    with _alone(folder) as lock:
        write_text(folder.study, write_study(study))
        launch = launch or _launcher(jobs, lock)
        todo = [cell for cell in cells if not folder.run(cell.name).metrics.exists()]
        _forget_failures(folder, todo)
        at_work: dict[int, tuple[Cell, Process]] = {}
        states: list[CellState] = []
        try:
            with _stoppable():
                while todo or at_work:
                    for place in range(jobs):
                        if todo and place not in at_work:
                            cell = todo.pop(0)
                            at_work[place] = cell, _start(folder, cell, place, launch)
                    running = {cell.name for cell, _ in at_work.values()}
                    done = {state.cell.name: state for state in states if state.state == "finished"}
                    states = [done.get(cell.name) or state_of(folder, cell, running) for cell in cells]
                    board.show(states, seconds_left(states, jobs))
                    time.sleep(poll_seconds)
                    for place, (cell, process) in list(at_work.items()):
                        if (code := process.poll()) is not None:
                            del at_work[place]
                            _note_end(folder, cell, code)
                            finished()
        finally:
            _interrupt([process for _, process in at_work.values()])
        states = [state_of(folder, cell) for cell in cells]
        board.show(states, 0.0)
        return states


def state_of(folder: StudyFolder, cell: Cell, running: set[str] = frozenset()) -> CellState:  # pyright: ignore
    """The state of one cell, from its files; only who started them knows which are `running`."""
    run = folder.run(cell.name)
    history = run.read_history()
    metrics = run.read_json(run.metrics) if run.metrics.exists() else None
    failure = _failures(folder).get(cell.name)
    begun: State = "stopped" if run.environment.exists() else "waiting"
    state: State = "finished" if metrics else "running" if cell.name in running else "failed" if failure else begun
    return CellState(cell, state, history, metrics, failure, _machine(run))


def _machine(run: RunFolder) -> str | None:
    """What computes in the machine that a run was begun on; None where none was."""
    if not run.environment.exists():
        return None
    machine = run.read_json(run.environment)["machine"]
    return machine["accelerator"] or machine["processor"]


def seconds_left(states: Sequence[CellState], jobs: int) -> float | None:
    """The best guess for the whole: the work to come at each run's pace, or the others' mean; None before any epoch."""
    known = [pace for state in states if (pace := _pace(state))]
    if not known:
        return None
    mean = sum(known) / len(known)
    return sum(
        float(_work(state.cell.config)[state.epochs_done :].sum()) * (_pace(state) or mean)
        for state in states
        if state.state in ("running", "stopped", "waiting")
    ) / min(jobs, len(states))


def _pace(state: CellState) -> float | None:
    """Seconds a unit of work has taken; None before the first epoch."""
    return state.seconds / float(_work(state.cell.config)[: state.epochs_done].sum()) if state.history else None


def _work(config: RunConfig) -> Array:
    """The work of every epoch of a run: later ones see larger images, and some take every step twice."""
    radii = sam_radii(config.sam, num_epochs=config.train.epochs)
    return epoch_costs(config.augment, radii, image_size=image_shape(config.data)[1:])


def _refuse_other_configs(folder: StudyFolder, cells: Sequence[Cell]) -> None:
    """Raises: UserError: the folder holds a run of a cell under another config."""
    for cell in cells:
        run = folder.run(cell.name)
        if not run.environment.exists():
            continue
        there, here = _deciding(read_config(run.read_text(run.config))), _deciding(cell.config)
        for key in sorted(there.keys() | here.keys()):
            if there.get(key) != here.get(key):
                raise UserError(
                    f"{run.root} was begun with {key} = {there.get(key)}, now it is {here.get(key)}; ask for the same "
                    f"again, or name another folder with --out"
                )


def _deciding(config: RunConfig) -> dict[str, object]:
    """The keys that decide a run's numbers: not the machine, nor what is left behind."""
    told: dict[str, object] = {}
    for section, value in config.model_dump(mode="json", exclude={"engine", "output"}).items():
        if isinstance(value, dict):
            told |= {f"{section}.{key}": inner for key, inner in value.items()}
        else:
            told[section] = value
    return told | {"data.root": None}


@contextmanager
def _alone(folder: StudyFolder) -> Iterator[int]:
    """Hold the folder's lock. The runs inherit it, so it is free only once the last of them has ended."""
    make_folder(folder.runs)
    with folder.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"a study is at work in {folder.root}; wait for it, or stop it first") from None
        yield file.fileno()


@contextmanager
def _stoppable() -> Iterator[None]:
    """A polite request to end is like Ctrl-C: the runs are stopped too."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    kinds = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, stop) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _launcher(jobs: int, lock: int) -> Launch:
    def launch(words: list[str], log: Path, place: int) -> Process:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file, _share_of_cores(place, jobs):
            return subprocess.Popen(
                [sys.executable, "-m", "treehead", *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C reaches us alone, and we pass it on
                pass_fds=[lock],
            )

    return launch


@contextmanager
def _share_of_cores(place: int, jobs: int) -> Iterator[None]:
    """A process started here may use its share of the cores, so that runs side by side do not crowd each other."""
    if jobs == 1 or not hasattr(os, "sched_setaffinity"):
        yield
        return
    every = sorted(os.sched_getaffinity(0))
    share = every[place::jobs] or every
    os.sched_setaffinity(0, share)
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def _start(folder: StudyFolder, cell: Cell, place: int, launch: Launch) -> Process:
    run = folder.run(cell.name)
    if run.environment.exists():
        return launch(["resume", str(run.root)], folder.log(cell.name), place)
    write_text(folder.asked(cell.name), write_config(cell.config))
    words = ["train", str(folder.asked(cell.name)), "--out", str(run.root)]
    return launch(words, folder.log(cell.name), place)


def _failures(folder: StudyFolder) -> dict[str, str]:
    return folder.read_json(folder.failures) if folder.failures.exists() else {}


def _forget_failures(folder: StudyFolder, cells: Sequence[Cell]) -> None:
    again = {cell.name for cell in cells}
    if kept := _failures(folder):
        write_json(folder.failures, {name: why for name, why in kept.items() if name not in again})


def _note_end(folder: StudyFolder, cell: Cell, code: int) -> None:
    if folder.run(cell.name).metrics.exists():
        return
    said = folder.log(cell.name).read_text(errors="replace") if folder.log(cell.name).exists() else ""
    reasons = [line.removeprefix("treehead: ") for line in said.splitlines() if line.startswith("treehead: ")]
    ended = f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"
    why = reasons[-1] if reasons and code > 0 else f"{ended}; see {folder.log(cell.name)}"
    write_json(folder.failures, _failures(folder) | {cell.name: why})


def _interrupt(processes: Sequence[Process]) -> None:
    """Stop them as Ctrl-C does; begun where that is ignored (nohup, a script's background), they are ended instead."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    for process in processes:
        process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in processes:
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
