"""Running a study: every cell in its own process, every state read from files, so that a run may stop at any moment.

A cell is run by the same `treehead train` or `treehead resume` that a person would type; its folder has its progress.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from treehead.config import RunConfig, deciding, first_difference, read_config, write_config
from treehead.data.load import image_shape
from treehead.records.run import EpochRecord, Metrics
from treehead.runfiles import RunFolder, StudyFolder, make_folder, write_json, write_text
from treehead.study.grid import Cell, Study, write_study
from treehead.system import (
    exclusive,
    interrupt_signal,
    is_locked,
    own_process_group,
    share_of_cores,
    termination_as_interrupt,
)
from treehead.training.schedule import epoch_costs, sam_radii
from treehead.types import Array, UserError

State = Literal["finished", "running", "stopped", "failed", "waiting"]
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 60
"""Seconds that an interrupted run may take to end before it is killed; its last checkpoint is kept in both cases."""


@dataclass(frozen=True, slots=True)
class CellState:
    """The progress of one cell.

    history: a record per epoch; failure: why it failed; machine: what it was begun on; parameters: of its network;
    work: its training arithmetic in PFLOP.
    """

    cell: Cell
    state: State
    history: list[EpochRecord]
    metrics: Metrics | None
    failure: str | None
    machine: str | None = None
    parameters: int | None = None
    work: float | None = None

    @property
    def record(self) -> EpochRecord | None:
        """The record of the last epoch."""
        return self.history[-1] if self.history else None

    @property
    def epochs_done(self) -> int:
        return len(self.history)

    @property
    def seconds(self) -> float:
        return sum(record["seconds"] for record in self.history)


class Board(Protocol):
    """A display of a study's progress."""

    def show(self, states: Sequence[CellState], seconds_left: float | None) -> None: ...


class Process(Protocol):
    """A running process: the methods of `subprocess.Popen` that are used."""

    def poll(self) -> int | None: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Launch = Callable[[list[str], Path, int], Process]
"""(arguments of `treehead`, log file, place among the jobs, from 0) -> the process."""


def run_study(
    study: Study,
    root: Path,
    *,
    cells: Sequence[Cell],
    jobs: int,
    board: Board,
    on_finished: Callable[[], None] = lambda: None,
    launch: Launch | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> list[CellState]:
    """Run those `cells` of `study` that are not finished, `jobs` at a time, and return the state of each afterwards.

    Conventions: a stopped run is resumed, a failed one tried again once; `on_finished` is called after every run.
    Raises: UserError: a cell was begun with another config, or another process is running the study.
    """
    folder = StudyFolder(root)
    _refuse_other_configs(folder, cells)
    with _alone(folder, cells):
        write_text(folder.study, write_study(study))
        waiting = [cell for cell in cells if not folder.run(cell.name).metrics.exists()]
        _forget_failures(folder, waiting)
        queue = _Queue(folder, waiting, jobs, launch or _launcher(jobs))
        states: list[CellState] = []
        try:
            with termination_as_interrupt():
                while queue.start():
                    done = {state.cell.name: state for state in states if state.state == "finished"}
                    states = [done.get(cell.name) or state_of(folder, cell, queue.running) for cell in cells]
                    board.show(states, seconds_left(states, jobs))
                    time.sleep(poll_seconds)
                    for cell, code in queue.ended():
                        _note_end(folder, cell, code)
                        on_finished()
        finally:
            _interrupt(queue.processes)
        states = [state_of(folder, cell) for cell in cells]
        board.show(states, 0.0)
        return states


class _Queue:
    """The cells still to run, and the processes of those that are running, each at its place among the jobs."""

    def __init__(self, folder: StudyFolder, waiting: Sequence[Cell], jobs: int, launch: Launch) -> None:
        self._folder, self._jobs, self._launch = folder, jobs, launch
        self._waiting = list(waiting)
        self._running: dict[int, tuple[Cell, Process]] = {}

    @property
    def running(self) -> set[str]:
        """Names of the running cells."""
        return {cell.name for cell, _ in self._running.values()}

    @property
    def processes(self) -> list[Process]:
        return [process for _, process in self._running.values()]

    def start(self) -> bool:
        """Start the next cells at the free places; whether any cell is running."""
        for place in range(self._jobs):
            if self._waiting and place not in self._running:
                cell = self._waiting.pop(0)
                self._running[place] = cell, _start(self._folder, cell, place, self._launch)
        return bool(self._running)

    def ended(self) -> Iterator[tuple[Cell, int]]:
        """Remove the cells whose process has ended; each with its exit code."""
        for place, (cell, process) in list(self._running.items()):
            if (code := process.poll()) is not None:
                del self._running[place]
                yield cell, code


def state_of(folder: StudyFolder, cell: Cell, running: Set[str] = frozenset()) -> CellState:
    """The state of one cell, from its files; only the process that started them knows which are `running`."""
    run = folder.run(cell.name)
    begun = run.environment.exists()
    metrics = run.read_json(run.metrics) if run.metrics.exists() else None
    failure = _failures(folder).get(cell.name)
    if metrics:
        state: State = "finished"
    elif cell.name in running:
        state = "running"
    elif failure:
        state = "failed"
    else:
        state = "stopped" if begun else "waiting"
    parameters = run.read_json(run.network)["parameters"] if run.network.exists() else None
    machine, work = _machine_and_work(run)
    return CellState(cell, state, run.read_history(), metrics, failure, machine, parameters, work)


def _machine_and_work(run: RunFolder) -> tuple[str | None, float | None]:
    """The accelerator, else the processor, of the machine that a run was begun on, and its training arithmetic.

    Conventions: None before it has begun, and for the arithmetic of a run that does not say it.
    """
    if not run.environment.exists():
        return None, None
    environment = run.read_json(run.environment)
    machine = environment["machine"]
    return machine["accelerator"] or machine["processor"], environment.get("work_pflop")


def seconds_left(states: Sequence[CellState], jobs: int) -> float | None:
    """An estimate for all runs: the remaining work at each run's pace, or at the mean pace; None before any epoch."""
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
    """Seconds per unit of work; None before the first epoch."""
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
        begun = deciding(read_config(run.read_text(run.config)))
        if different := first_difference(begun, deciding(cell.config)):
            key, before, after = different
            raise UserError(
                f"{run.root} was begun with {key} = {before}, but the study has {after}; use the same value, or "
                "another folder with --out"
            )


@contextmanager
def _alone(folder: StudyFolder, cells: Sequence[Cell]) -> Iterator[None]:
    """Hold the folder's lock, while no run of a scheduler that was killed is still training.

    Raises: UserError: another process runs the study, or one of its runs.
    """
    make_folder(folder.runs)
    with exclusive(folder.lock, f"another process runs the study in {folder.root}; wait for it, or stop it first"):
        for cell in cells:
            if is_locked(folder.run(cell.name).lock):
                raise UserError(f"another process trains {folder.run(cell.name).root}; wait for it, or stop it first")
        yield


def _launcher(jobs: int) -> Launch:
    def launch(words: list[str], log: Path, place: int) -> Process:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file, share_of_cores(place, jobs):
            return subprocess.Popen(
                [sys.executable, "-m", "treehead", *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                **own_process_group(),  # Ctrl-C reaches the scheduler alone, which passes it on
            )

    return launch


def _start(folder: StudyFolder, cell: Cell, place: int, launch: Launch) -> Process:
    run = folder.run(cell.name)
    if run.environment.exists():
        return launch(["resume", str(run.root)], folder.log(cell.name), place)
    write_text(folder.asked(cell.name), write_config(cell.config))
    arguments = ["train", str(folder.asked(cell.name)), "--out", str(run.root)]
    return launch(arguments, folder.log(cell.name), place)


def _failures(folder: StudyFolder) -> dict[str, str]:
    return folder.read_json(folder.failures) if folder.failures.exists() else {}


def _forget_failures(folder: StudyFolder, cells: Sequence[Cell]) -> None:
    retried = {cell.name for cell in cells}
    if failures := _failures(folder):
        write_json(folder.failures, {name: reason for name, reason in failures.items() if name not in retried})


def _note_end(folder: StudyFolder, cell: Cell, code: int) -> None:
    """Keep the reason if the run has failed: its last message, or how its process ended."""
    if folder.run(cell.name).metrics.exists():
        return
    log = folder.log(cell.name)
    output = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    messages = [line.removeprefix("treehead: ") for line in output.splitlines() if line.startswith("treehead: ")]
    ended = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    reason = messages[-1] if messages and code > 0 else f"{ended}; see {log}"
    write_json(folder.failures, _failures(folder) | {cell.name: reason})


def _interrupt(processes: Sequence[Process]) -> None:
    """Stop the runs as Ctrl-C does, and kill those that do not end in time."""
    for process in processes:
        process.send_signal(interrupt_signal())
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in processes:
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
