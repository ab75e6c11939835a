"""Where a run ran: machine, versions, commit."""

import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from treehead.records.run import Environment
from treehead.runfiles import FORMAT
from treehead.system import processor_name, total_memory_bytes, usable_cores

PACKAGES = ("torch", "numpy", "numba", "safetensors", "pillow")  # reported if installed


def describe_environment(accelerator: str | None) -> Environment:
    """The content of `environment.json` at the start of a run; the run fills in the keys that are None."""
    return {
        "format": FORMAT,
        "treehead": version("treehead"),
        "commit": _commit(),
        "started": now(),
        "finished": None,
        "machine": {
            "processor": processor_name(),
            "cores": usable_cores(),
            "memory_bytes": total_memory_bytes(),
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


def _versions() -> dict[str, str]:
    """The version of each of PACKAGES that is installed."""
    versions = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


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
