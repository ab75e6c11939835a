"""A study as a whole: skipping, resuming, failing; with simulated runs, and with real ones in the slow tests."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import command
from made_up_run import make_run_folder

from treehead.config import read_config, write_config
from treehead.runfiles import RunFolder, StudyFolder, write_json, write_text
from treehead.study.builtin import shapes
from treehead.study.grid import Study, cells, with_changes
from treehead.study.scheduler import CellState, run_study
from treehead.study.summary import write_summary
from treehead.system import exclusive
from treehead.types import UserError

QUICK = ["train.epochs=1", "train.batch_size=256", "network.stages=[{width=6},{width=8}]"]
NARROW = ["--only", "activation=relu", "--only", "seed=0", "--only", "extra=none"]


class Quiet:
    def show(self, states: object, seconds_left: object) -> None: ...


class Ended:
    """A process that has ended with `code`."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.signals: list[int] = []

    def poll(self) -> int | None:
        return self.code

    def send_signal(self, sig: int, /) -> None:
        self.signals.append(sig)

    def kill(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int:
        return self.code


def simulated_run(arguments: list[str], log: Path, place: int) -> Ended:
    """Write the run folder that a finished training of the config would write."""
    if arguments[0] == "resume":
        root = Path(arguments[1])
        text = (root / "config.toml").read_text()
    else:
        root, text = Path(arguments[3]), Path(arguments[1]).read_text()
    make_run_folder(root, epochs=read_config(text).train.epochs, images=240)
    (root / "config.toml").write_text(text)
    return Ended()


def run(study: Study, root: Path, launch: Callable[..., Any] = simulated_run, **choices: Any) -> list[CellState]:
    choices = {"cells": cells(study), "jobs": 2, "board": Quiet(), "poll_seconds": 0.0} | choices
    return run_study(study, root, launch=launch, **choices)


def test_finished_runs_are_skipped_and_stopped_ones_resumed(tmp_path: Path) -> None:
    study, folder = shapes(), StudyFolder(tmp_path)
    first, second = cells(study)[:2]
    make_run_folder(folder.run(first.name).root, epochs=4)
    write_text(folder.run(first.name).config, write_config(first.config))
    make_run_folder(folder.run(second.name).root, epochs=4, finished=False)
    write_text(folder.run(second.name).config, write_config(second.config))
    launched: list[list[str]] = []

    def launch(arguments: list[str], log: Path, place: int) -> Ended:
        launched.append(arguments)
        return simulated_run(arguments, log, place)

    states = run(study, tmp_path, launch)
    assert {state.state for state in states} == {"finished"}
    assert [arguments[0] for arguments in launched] == ["resume", *["train"] * 10]
    assert launched[0][1] == str(folder.run(second.name).root)
    launched.clear()
    run(study, tmp_path, launch)
    assert launched == []


def test_a_failed_run_stops_no_other_run_and_is_tried_again(tmp_path: Path) -> None:
    study = shapes()
    bad = cells(study)[0].name

    def launch(arguments: list[str], log: Path, place: int) -> Ended:
        if Path(arguments[-1]).name != bad:
            return simulated_run(arguments, log, place)
        write_text(log, "epoch 1\ntreehead: the loss became nan\n")
        return Ended(1)

    states = run(study, tmp_path, launch)
    assert [state.state for state in states] == ["failed", *["finished"] * 11]
    assert states[0].failure == "the loss became nan"
    assert write_summary(tmp_path)["cells"][0]["failure"] == "the loss became nan"
    assert {state.state for state in run(study, tmp_path)} == {"finished"}
    assert write_summary(tmp_path)["cells"][0]["failure"] is None


def test_a_killed_run_has_its_signal_as_the_reason(tmp_path: Path) -> None:
    study = shapes()
    states = run(study, tmp_path, lambda *_: Ended(-9), cells=cells(study)[:1])
    assert "killed by signal 9" in str(states[0].failure)


@pytest.mark.parametrize(
    ("handler", "sent"), [(signal.default_int_handler, signal.SIGINT), (signal.SIG_IGN, signal.SIGTERM)]
)
def test_stopping_the_study_stops_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: object, sent: signal.Signals
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: handler)
    begun: list[Ended] = []

    def launch(arguments: list[str], log: Path, place: int) -> Ended:
        begun.append(Ended())
        return begun[-1]

    class Interrupting:
        def show(self, states: object, seconds_left: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(shapes(), tmp_path, launch, board=Interrupting())
    assert [process.signals for process in begun] == [[sent]] * 2
    assert {state.state for state in run(shapes(), tmp_path)} == {"finished"}


def test_a_cell_begun_with_another_config_is_an_error(tmp_path: Path) -> None:
    run(shapes(), tmp_path)
    with pytest.raises(UserError, match=r"begun with train\.epochs = 4, but the study has 9; .* --out"):
        run(with_changes(shapes(), {"train.epochs": 9}), tmp_path)
    run(with_changes(shapes(), {"engine.threads": 1}), tmp_path)


def test_the_same_study_twice_at_once_is_an_error(tmp_path: Path) -> None:
    def launch(arguments: list[str], log: Path, place: int) -> Ended:
        with pytest.raises(UserError, match="another process runs the study in"):
            run(shapes(), tmp_path)
        return simulated_run(arguments, log, place)

    run(shapes(), tmp_path, launch, cells=cells(shapes())[:1])


def test_a_run_that_another_process_still_trains_is_an_error(tmp_path: Path) -> None:
    """As after the scheduler was killed and its runs were not."""
    folder = StudyFolder(tmp_path).run(cells(shapes())[0].name)
    make_run_folder(folder.root, epochs=4, finished=False)
    write_text(folder.config, write_config(cells(shapes())[0].config))
    with exclusive(folder.lock, "held"), pytest.raises(UserError, match="another process trains"):
        run(shapes(), tmp_path)


def test_the_summary_has_every_cell(tmp_path: Path) -> None:
    run(shapes(), tmp_path)
    summary = write_summary(tmp_path)
    assert len(summary["cells"]) == 12
    row = summary["cells"][0]
    metrics = json.loads(StudyFolder(tmp_path).run(row["name"]).metrics.read_text())
    assert row["figures"]
    assert row["figures"]["accuracy"] == metrics["accuracy"]
    assert row["figures"]["minutes"] == pytest.approx(4 * 61 / 60)
    assert row["figures"].get("work_pflop") == 0.125
    text = (tmp_path / "summary.md").read_text(encoding="utf-8").partition("\n\n")[0]
    assert text.splitlines()[0].endswith("| minutes | PFLOP |")
    assert text.splitlines()[2].endswith("| 0.125 |")
    assert text.count("\n| ") == 13  # the rule and twelve cells
    assert len(summary["answers"]) >= 6


def test_a_folder_that_is_not_a_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a study folder: it has no study\.toml"):
        write_summary(tmp_path)
    write_json(tmp_path / "x.json", {})
    with pytest.raises(UserError, match=r"holds no failures\.json"):
        StudyFolder(tmp_path).read_json(StudyFolder(tmp_path).failures)


@pytest.mark.slow
def test_a_real_study_from_the_command_line(tmp_path: Path) -> None:
    result = command("study", "shapes", *QUICK, *NARROW, "--jobs", "2", "--out", "s", folder=tmp_path)
    assert result.returncode == 0, result.stderr + result.stdout
    assert "2 of 2 finished" in result.stdout
    assert "optimizer: which is more accurate, adam or sgd?" in result.stdout
    for name in ("adam-relu-seed0", "sgd-relu-seed0"):
        assert (tmp_path / "s" / "runs" / name / "report.html").exists()
    again = command("study", "s", *NARROW, "--list", folder=tmp_path)
    assert again.returncode == 0
    assert again.stdout.count("finished") == 3
    other = command("study", "shapes", "train.epochs=2", *NARROW, "--out", "s", folder=tmp_path)
    assert other.returncode == 2
    assert "was begun with" in other.stderr


@pytest.mark.slow
def test_a_real_study_can_be_stopped_and_continued(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "treehead", "study", "shapes", "train.epochs=200", *QUICK[1:], *NARROW]
    with subprocess.Popen(
        arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        history = tmp_path / "studies" / "shapes" / "runs" / "adam-relu-seed0" / "history.jsonl"
        deadline = time.monotonic() + 120
        while not history.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 130, errors
    assert "continue with: treehead study studies/shapes" in errors
    assert "Traceback" not in errors
    done = len(RunFolder(history.parent).read_history())
    listed = command("study", "studies/shapes", "--list", folder=tmp_path).stdout
    assert f"{done}/200" in listed
    assert "stopped" in listed
