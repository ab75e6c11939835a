"""Folders that tests share: a made-up run for each test, and what is built once for all workers."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from made_up_run import BuiltOnce, MakeRun, make_run_folder


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> BuiltOnce:
    """`built_once(name, build)`: a folder of this worker's own with what `build(folder)` writes.

    Several workers of pytest-xdist may need what takes seconds to make: the first calls `build`, the others wait for it
    and copy, so that a test that changes its folder changes nothing for another worker.
    """
    base = tmp_path_factory.getbasetemp()
    of_all_workers = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
    of_all_workers.mkdir(exist_ok=True)

    def built(name: str, build: Callable[[Path], object]) -> Path:
        whole = of_all_workers / name
        with FileLock(of_all_workers / f"{name}.lock"):
            if not whole.exists():
                unfinished = of_all_workers / f"{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                build(unfinished)
                unfinished.rename(whole)
        return Path(shutil.copytree(whole, tmp_path_factory.mktemp("copy") / name))

    return built


@pytest.fixture
def run_folder(tmp_path: Path) -> MakeRun:
    """A factory: `run_folder(name="x", tree=..., finished=..., samples=...)` -> the folder's path."""

    def make(name: str = "tiny", **choices: Any) -> Path:
        return make_run_folder(tmp_path / name, **choices)

    return make
