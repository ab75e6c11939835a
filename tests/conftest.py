"""What every test gets: arithmetic that fails aloud, and the real CIFAR-100 where it is to be had."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest


def pytest_configure() -> None:
    """Commands that tests start heed Ctrl-C, also where the tests were started ignoring it (`make test &`)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def strict_arithmetic() -> Iterator[None]:
    """NumPy raises where it would warn: division by zero, overflow, invalid values."""
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
