"""Ground floor: the files of a run folder, by name. Everything is written whole or not at all.

config.toml               what was asked
environment.json          the machine, the versions and the commit it ran on
tree.json                 the label tree
network.json              layers, shapes, parameters, multiply-adds
history.jsonl             a line per epoch
checkpoint.safetensors    all that a resumed run needs; its header says which epoch
weights.safetensors       the finished network
calibration.json          a temperature per level, and the number of images they were fitted on
metrics.json              every figure, on the test images
predictions.npz           labels (N, levels) and, per level, `probabilities_<level>` (N, classes)
samples.npz               a few misread test images, for the report; absent where images are left out
report.html, figures/     drawn from the files above alone

A study's folder holds study.toml (its grid), runs/NAME (a run folder each; runs/NAME.toml is what was asked of it),
logs/NAME.txt (what it said), failures.json (why some failed), summary.json, summary.md, report.html and figures/.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from treehead.types import Array, UserError

T = TypeVar("T")

FORMAT = 1
"""Version of the run folder. A folder of another version is refused, not guessed at."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it on success and removed on failure.

    The rename is atomic, so a reader, a crash or a full disk never meets half a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes it private; a report is there to be read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, whole or not at all. NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def write_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write named arrays as a compressed .npz, whole or not at all."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def make_folder(path: Path) -> None:
    """Make a folder for results, with those above it. Raises: UserError: it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"no folder can be made at {path} ({error.strerror}); name another with --out") from None


def free_folder(parent: Path, name: str) -> Path:
    """parent/name, or parent/name-2, -3, ... where that is taken."""
    number, folder = 1, parent / name
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run folder, and readers that say plainly what is missing or broken."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def environment(self) -> Path:
        return self.root / "environment.json"

    @property
    def tree(self) -> Path:
        return self.root / "tree.json"

    @property
    def network(self) -> Path:
        return self.root / "network.json"

    @property
    def history(self) -> Path:
        return self.root / "history.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint.safetensors"

    @property
    def weights(self) -> Path:
        return self.root / "weights.safetensors"

    @property
    def calibration(self) -> Path:
        return self.root / "calibration.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.json"

    @property
    def predictions(self) -> Path:
        return self.root / "predictions.npz"

    @property
    def samples(self) -> Path:
        return self.root / "samples.npz"

    @property
    def events(self) -> Path:
        return self.root / "events"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    def read_text(self, path: Path) -> str:
        """Raises: UserError: the file is missing or unreadable."""
        return self._read(path, lambda: path.read_text(encoding="utf-8"))

    def read_json(self, path: Path) -> Any:
        """Raises: UserError: the file is missing, unreadable or no JSON."""
        return self._read(path, lambda: json.loads(path.read_text(encoding="utf-8")))

    def read_arrays(self, path: Path) -> dict[str, Array]:
        """Raises: UserError: the file is missing, unreadable or no .npz."""

        def load() -> dict[str, Array]:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}

        return self._read(path, load)

    def read_history(self) -> list[dict[str, Any]]:
        """One record per finished epoch, oldest first; [] before the first. See `training.loop` for its keys."""
        if not self.history.exists():
            return []
        lines = self._read(self.history, lambda: self.history.read_text(encoding="utf-8").splitlines())
        return self._read(self.history, lambda: [json.loads(line) for line in lines])

    def write_history(self, records: list[dict[str, Any]]) -> None:
        """Replace the history whole, so that it never disagrees with the checkpoint beside it."""
        write_text(self.history, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))

    def checked(self) -> "RunFolder":
        """This folder, if it is a run of this version.

        Raises: UserError: no such folder, no run in it, or a run of another version.
        """
        if not self.root.is_dir():
            raise UserError(f"there is no run folder at {self.root}")
        if not self.environment.exists():
            raise UserError(f"{self.root} is no run folder: it holds no {self.environment.name}")
        found = self.read_json(self.environment).get("format")
        if found != FORMAT:
            raise UserError(
                f"{self.root} was written in run format {found}, this treehead reads format {FORMAT}; "
                f"use the version of treehead named in {self.environment.name}"
            )
        return self

    def _read(self, path: Path, read: Callable[[], T]) -> T:
        try:
            return read()
        except FileNotFoundError:
            raise UserError(f"{self.root} holds no {path.name}: it is not, or not yet, a finished run") from None
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from None
        except (ValueError, EOFError, KeyError) as error:
            raise UserError(f"{path} is damaged ({error}); run the step that writes it again") from None


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """Paths of one study's folder."""

    root: Path

    @property
    def study(self) -> Path:
        return self.root / "study.toml"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def failures(self) -> Path:
        return self.root / "failures.json"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    @property
    def summary(self) -> Path:
        return self.root / "summary.json"

    @property
    def summary_text(self) -> Path:
        return self.root / "summary.md"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    def run(self, name: str) -> RunFolder:
        """The run folder of one cell."""
        return RunFolder(self.runs / name)

    def asked(self, name: str) -> Path:
        """The config that one cell is started with."""
        return self.runs / f"{name}.toml"

    def log(self, name: str) -> Path:
        """What the run of one cell printed, on every try."""
        return self.root / "logs" / f"{name}.txt"

    def read_json(self, path: Path) -> Any:
        """Raises: UserError: the file is missing, unreadable or no JSON."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(
                f"{self.root} holds no {path.name}: it is no study's folder, or none was run in it"
            ) from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path}: {error}") from None
