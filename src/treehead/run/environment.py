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

PACKAGES = ("torch", "numpy", "numba", "safetensors", "pillow")  # those that are installed are told


def describe_environment(accelerator: str | None) -> Environment:
    """What `environment.json` says before a run; `seconds` and the like are added as it goes."""
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
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _commit() -> str | None:
    """The commit this code stands at, with a + if it was changed since; None outside a checkout."""
    here = Path(__file__).parent
    try:
        said = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
