"""Locks between processes, and the platform's facts."""

import subprocess
import sys
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
