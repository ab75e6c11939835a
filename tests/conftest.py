"""What every test gets: its share of the processor, strict arithmetic, and the real CIFAR-100 if it is there."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, help="random cases of each campaign; see tests/campaign")
    parser.addoption("--seed", type=int, help="seed of the campaigns")


def pytest_configure(config: pytest.Config) -> None:
    """Pass on the options of the campaigns; give workers their own cores; let commands react to Ctrl-C.

    Networks train on all cores that a process may use: workers that share them would wait for each other. Processes
    that a worker starts inherit its cores. Ctrl-C is ignored where the tests were started by `make test &`.
    """
    for name in ("cases", "seed"):
        if (value := config.getoption(name)) is not None:
            os.environ[f"TREEHEAD_{name.upper()}"] = str(value)
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
def cifar100_root() -> Path:
    """The real release: what TREEHEAD_DATA names, else `../shared/data`; the test is skipped where it is not."""
    named = os.environ.get("TREEHEAD_DATA")
    if named:
        return Path(named)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar-100-binary"
    if not beside.is_dir():
        pytest.skip("no CIFAR-100 here: set TREEHEAD_DATA to the release")
    return beside
