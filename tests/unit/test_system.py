"""Locks between processes, and the platform's facts."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from treehead import system
from treehead.types import UserError

HOLDER = """
import sys, pathlib
from treehead.system import exclusive
with exclusive(pathlib.Path(sys.argv[1]), "held"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not system.is_locked(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert system.is_locked(path)
        with pytest.raises(UserError, match="in use"), system.exclusive(path, "in use"):
            pass
        holder.kill()
        holder.wait()
    assert not system.is_locked(path)
    with system.exclusive(path, "in use"):
        pass


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot lock"), system.exclusive(tmp_path / "file" / ".lock", "in use"):
        pass


def test_the_machine_has_cores_and_memory() -> None:
    assert system.usable_cores() >= 1
    assert 10**7 < system.peak_memory_bytes() < system.total_memory_bytes()
    assert system.processor_name()


def test_a_lock_leaves_no_file_and_knows_when_its_folder_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run" / ".lock"
    path.parent.mkdir()
    with system.exclusive(path, "in use") as is_held:
        assert is_held()
        path.unlink()
        assert not is_held()
        path.write_text("", encoding="utf-8")  # another folder of the same name
        assert not is_held()
    assert path.exists()  # that of the other folder
    path.unlink()
    with system.exclusive(path, "in use"):
        pass
    assert not path.exists()


def test_many_who_want_one_lock_hold_it_one_after_another(tmp_path: Path) -> None:
    """Each adds one to a number in a file; without exclusion some of the additions are lost."""
    code = """
import sys, pathlib, time
from treehead.system import exclusive
from treehead.types import UserError
path, done = pathlib.Path(sys.argv[1]), 0
while done < 40:
    try:
        with exclusive(path / ".lock", "in use"):
            number = int((path / "number").read_text())
            time.sleep(0)
            (path / "number").write_text(str(number + 1))
            done += 1
    except UserError:
        pass
"""
    (tmp_path / "number").write_text("0", encoding="utf-8")
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (tmp_path / "number").read_text(encoding="utf-8") == "160"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP on this system")
def test_signals_that_were_ignored_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with system.termination_as_interrupt():
            signal.raise_signal(signal.SIGHUP)  # ignored, as under nohup
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interrupt_within_a_callback_is_not_lost() -> None:
    """Python prints and drops what a finalizer raises: Ctrl-C at that moment would do nothing."""

    class Interrupted:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def drop_it_and_go_on() -> None:
        Interrupted()
        time.sleep(5)

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), system.termination_as_interrupt():
        drop_it_and_go_on()
    assert time.monotonic() - begun < 3  # a wait ends, too
