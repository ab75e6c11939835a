"""The environment of a run: machine, versions, commit."""

import os
import platform
import resource
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from treehead.engines.cores import usable_cores
from treehead.runfiles import FORMAT

PACKAGES = ("torch", "numpy", "numba", "safetensors", "pillow")  # reported if installed


def describe_environment(accelerator: str | None) -> dict[str, Any]:
    """The contents of `environment.json` at the start of a run; the run fills in the keys that are None."""
    return {
        "format": FORMAT,
        "treehead": version("treehead"),
        "commit": _commit(),
        "started": now(),
        "finished": None,
        "machine": {
            "processor": _processor(),
            "cores": usable_cores(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "accelerator": accelerator,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "engine": None,
        "device": None,
        "precision": None,
        "seconds": None,
        "peak_memory_bytes": None,
    }


def now() -> str:
    """The time, UTC, to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory_bytes() -> int:
    """The most memory this process ever held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kibibytes


def _versions() -> dict[str, str]:
    """The version of each of PACKAGES that is installed."""
    versions = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _commit() -> str | None:
    """The commit of this code, with a + if it has uncommitted changes; None outside a checkout."""
    folder = Path(__file__).parent
    try:
        git = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return git.stdout.strip() or None
