"""What the product promises whatever it is given, and a way to ask it thousands of times.

One sentence of at most 400 characters on stderr and exit code 2 for a mistake of the user's, 1 for a failure while
running; no traceback, no internal error, no hang, not more than 2 GB, no half file, nothing outside of the folder.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CASES = int(os.environ.get("TREEHEAD_CASES", "12"))
"""Random cases per test: `--cases`."""
SEED = int(os.environ.get("TREEHEAD_SEED", "0"))
"""`--seed`."""
MOST_GIGABYTES, MOST_SECONDS = 2.0, 60.0
"""The time is generous, since a test machine may be busy; what hangs or explodes takes far longer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. code is None where a signal ended it."""

    code: int | None
    signal: int | None
    out: str
    err: str
    gigabytes: float
    seconds: float
    hung: bool

    def broken(self) -> str | None:
        """Which promise was broken; None if all were kept."""
        if self.hung:
            return f"it hung: {self.err[-300:]}"
        if self.signal is not None:
            return f"signal {self.signal} ended it: {self.err[-300:]}"
        if "Traceback (most recent call last)" in self.err or "internal error" in self.err:
            return self.err[-600:]
        if self.gigabytes > MOST_GIGABYTES:
            return f"it took {self.gigabytes:.1f} GB"
        if "\x1b" in self.out + self.err:
            return "an escape sequence reached the terminal"
        return self._broken_message() if self.code else None

    def _broken_message(self) -> str | None:
        if self.code == 130:
            return None
        told = [line for line in self.err.splitlines() if line.startswith("treehead: ")]
        if self.code not in (1, 2):
            return f"exit code {self.code}"
        if self.code == 2 and self.err.startswith("Usage:"):
            return None
        if len(told) != 1 or len(told[0]) > 400:
            return f"no sentence: {self.err[-300:]!r}"
        return None


class Product:
    """The command `treehead`, asked through `zygote.py`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(place / "cache"),
            "TREEHEAD_DATA": str(place / "no-cifar100"),  # named, and not there: nothing is fetched
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("TREEHEAD_TRACEBACK", None)
        self._zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(
        self,
        *words: str | Path,
        folder: Path | None = None,
        seconds: float = MOST_SECONDS,
        gigabytes: float = 6,
        shot: tuple[float, int] | None = None,
        die_at: int = 0,
        room: int | None = None,
    ) -> Outcome:
        """`treehead words` in `folder`. shot: (seconds after the start, signal); die_at: number of a file operation."""
        case: dict[str, Any] = {
            "words": [str(word) for word in words],
            "folder": str(folder or self.place),
            "seconds": seconds,
            "gigabytes": gigabytes,
            "shot": shot,
            "die_at": die_at,
            "room": room,
        }
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps(case) + "\n")
        self._zygote.stdin.flush()
        return Outcome(**json.loads(self._zygote.stdout.readline()))

    def keeps_its_word(self, *words: str | Path, **choices: Any) -> Outcome:
        """The outcome, whatever it is. Raises: AssertionError: a promise was broken."""
        outcome = self.run(*words, **choices)
        assert outcome.broken() is None, f"treehead {' '.join(map(str, words))[:300]}: {outcome.broken()}"
        return outcome

    def end(self) -> None:
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        self._zygote.wait(10)
        if self._zygote.stdout:
            self._zygote.stdout.close()


def leftovers(folder: Path) -> list[str]:
    """Temporary files and locks that stay."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*") if path.is_file())


def quick(*more: str, epochs: int = 4) -> Sequence[str]:
    """Words that make a training take about a second."""
    return (
        *(
            "data.image_px=32",
            f"train.epochs={epochs}",
            "train.batch_size=16",
            "engine.kind=scratch",
            "engine.threads=1",
        ),
        *("network.grow=false", "network.stages=[{width=4,residuals=0},{width=8,residuals=0}]", *more),
    )
