"""What every test gets: its share of the processor, strict arithmetic, folders built once, and the real CIFAR-100."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

BuiltOnce = Callable[[str, Callable[[Path], object]], Path]


def pytest_configure() -> None:
    """Give each pytest-xdist worker its own cores, and let commands that tests start react to Ctrl-C.

    Networks train on all cores that a process may use: workers that share them would wait for each other. Processes
    that a worker starts inherit its cores. Ctrl-C is ignored where the tests were started by `make test &`.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        place = int(worker.removeprefix("gw"))
        os.sched_setaffinity(0, cores[place::workers] or cores)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def strict_arithmetic() -> Iterator[None]:
    """NumPy raises where it would warn: division by zero, overflow, invalid values."""
    import numpy as np  # after `pytest_configure`: BLAS counts the cores when it is imported

    with np.errstate(all="raise", under="ignore"):
        yield


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


@pytest.fixture(scope="session")
def cifar100_root() -> Path:
    """The real release: what TREEHEAD_DATA names, else `../shared/data`; the test is skipped where it is not."""
    named = os.environ.get("TREEHEAD_DATA")
    if named:
        return Path(named)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar-100-binary"
    if not beside.is_dir():
        pytest.skip("no CIFAR-100 here: set TREEHEAD_DATA to the release")
    return beside
