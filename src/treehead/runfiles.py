"""The files of run folders and study folders: their names, and reading and writing them whole or not at all."""

import json
import math
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar
from zipfile import BadZipFile, ZipFile

import numpy as np

from treehead.inputs import check_file_name, check_regular, cut, parsed_json, printable, read_text, shown
from treehead.records.run import EpochRecord
from treehead.system import exclusive
from treehead.types import Array, RunError, UserError

T = TypeVar("T")

FORMAT = 1
"""Version of the run folder. A folder of another version is an error, because its files may mean something else."""
LINE_LENGTH = 120
"""Of JSON files."""


class _HasRoot(Protocol):
    @property
    def root(self) -> Path: ...


class _File:
    """A file or folder below a root folder: `name` is its path, as an attribute of the class that has the root."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: _HasRoot, owner: type) -> Path:
        return folder.root / self._name


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    root: Path

    config = _File("config.toml")  # every setting of the run
    environment = _File("environment.json")  # machine, versions, commit, start and end
    tree = _File("tree.json")  # the label tree
    images = _File("images.npz")  # which image, by the digest of its content, is in which part, with its labels
    network = _File("network.json")  # layers, shapes, parameters, multiply-adds
    history = _File("history.jsonl")  # a line per epoch
    checkpoint = _File("checkpoint.safetensors")  # weights and optimizer state; the header has the epoch
    weights = _File("weights.safetensors")  # the trained network and the statistics of its input
    calibration = _File("calibration.json")  # temperatures, and the number of images they were fitted on
    metrics = _File("metrics.json")  # every figure on the test images
    predictions = _File("predictions.npz")  # labels and answers (N, levels); probabilities_LEVEL (N, classes)
    samples = _File("samples.npz")  # some misclassified test images; absent with output.images=false
    events = _File("events")  # TensorBoard events; only with output.tensorboard=true
    report = _File("report.html")
    figures = _File("figures")
    lock = _File(".lock")  # held by the process that trains, evaluates or reports on the run; removed at the end

    def read_text(self, path: Path) -> str:
        """Raises: UserError: the file is missing or unreadable."""
        return self._read(path, lambda: read_text(path))

    def read_json(self, path: Path) -> Any:
        """Raises: UserError: the file is missing, unreadable or not JSON."""
        return self._read(path, lambda: parsed_json(read_text(path)))

    def read_tree(self) -> Any:
        """tree.json, or the one in the parent folder, which runs on the same tree may share.

        Raises: UserError: the file is missing, unreadable or not JSON.
        """
        shared = self.root.parent / self.tree.name
        return self.read_json(shared if shared.exists() and not self.tree.exists() else self.tree)

    def read_arrays(self, path: Path) -> dict[str, Array]:
        """Raises: UserError: the file is missing, unreadable or not an .npz file."""

        return self._read(path, lambda: read_npz(path))

    def read_history(self) -> list[EpochRecord]:
        """One record per finished epoch, oldest first; [] before the first. See `records.run`."""
        if not self.history.exists():
            return []
        lines = self.read_text(self.history).splitlines()
        return self._read(self.history, lambda: [parsed_json(line) for line in lines])

    def write_history(self, records: Sequence[EpochRecord]) -> None:
        """Replace the whole history, so that it always agrees with the checkpoint beside it."""
        write_text(self.history, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))

    def checked(self) -> "RunFolder":
        """This folder, if it is a run of this version.

        Raises: UserError: no such folder, no run in it, or a run of another version.
        """
        if not self.root.is_dir():
            raise UserError(f"there is no run folder at {self.root}")
        if not self.environment.exists():
            raise UserError(f"{self.root} is not a run folder: it has no {self.environment.name}")
        environment = self.read_json(self.environment)
        version = environment.get("format") if isinstance(environment, dict) else None
        if version != FORMAT:
            raise UserError(
                f"{self.root} has run format {shown(version)}, and this version of treehead reads format {FORMAT}; "
                f"use the version named in {self.environment.name}"
            )
        return self

    def _read(self, path: Path, read: Callable[[], T]) -> T:
        return _read(path, read, missing=f"{self.root} holds no {path.name}: the run is not finished")


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """The files of one study."""

    root: Path

    study = _File("study.toml")  # the grid, with its complete base config
    runs = _File("runs")  # a run folder per cell, and NAME.toml, the config that the cell is started with
    failures = _File("failures.json")  # why cells failed, by name
    summary = _File("summary.json")
    summary_text = _File("summary.md")
    report = _File("report.html")
    figures = _File("figures")
    lock = _File(".lock")  # held by the process that schedules the study

    def run(self, name: str) -> RunFolder:
        """The run folder of one cell."""
        return RunFolder(self.runs / check_file_name(name, "the run"))

    def asked(self, name: str) -> Path:
        """The config that one cell is started with."""
        return self.runs / f"{check_file_name(name, 'the run')}.toml"

    def log(self, name: str) -> Path:
        """The output of one cell's run, of all attempts."""
        return self.root / "logs" / f"{check_file_name(name, 'the run')}.txt"

    def read_text(self, path: Path) -> str:
        """Raises: UserError: the file is missing or unreadable."""
        return self._read(path, lambda: read_text(path))

    def read_json(self, path: Path) -> Any:
        """Raises: UserError: the file is missing, unreadable or not JSON."""
        return self._read(path, lambda: parsed_json(read_text(path)))

    def _read(self, path: Path, read: Callable[[], T]) -> T:
        missing = f"{self.root} holds no {path.name}: it is not a study folder, or none of its runs has started"
        return _read(path, read, missing=missing)


def _read(path: Path, read: Callable[[], T], *, missing: str) -> T:
    """Raises: UserError: `missing` where there is no file; else that it is unreadable or damaged."""
    try:
        return read()
    except FileNotFoundError:
        raise UserError(missing) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except UserError:
        raise
    except (ValueError, EOFError, KeyError, BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        reason = cut(printable(str(error)))
        raise UserError(f"{path} is damaged ({reason}); run the command that writes it again") from None


MOST_RATIO, ALWAYS_READ = 100, 2**28
"""An .npz file may unpack to so many times its size, and to so many bytes in any case."""


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file; the sizes that it states are checked before anything is unpacked.

    Raises: UserError: not a regular file. OSError, ValueError, BadZipFile: it cannot be read or is damaged.
    """
    most = max(ALWAYS_READ, MOST_RATIO * check_regular(path))
    with ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > most:
            raise ValueError(f"it would unpack to more than {most:,} bytes")
        for member in members:
            with archive.open(member) as file:
                _check_header(file, member.file_size)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _check_header(file: IO[bytes], size: int) -> None:
    """Raises: ValueError: the array that a .npy file describes is not the one that it has room for."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError(f"an array of shape {shape} does not fit its {size:,} bytes")


_HELD: dict[Path, Callable[[], bool]] = {}
"""The run folders that this process works on, and whether each is still there."""


@contextmanager
def alone(folder: RunFolder) -> Iterator[None]:
    """Work on a run folder while no other process does.

    Conventions: temporary files that a killed process has left are removed. In this block, `written_whole` refuses to
        write below the folder once it was removed or replaced, so that no half of it rises again.
    Raises: UserError: another process works on it.
    """
    message = f"another process trains, evaluates or reports on {folder.root}; wait for it, or stop it first"
    with exclusive(folder.lock, message) as is_held:
        for place in (folder.root, folder.figures):
            for left in place.glob(".*.*"):
                if left.name != folder.lock.name and left.is_file():
                    left.unlink(missing_ok=True)
        root = folder.root.absolute()
        _HELD[root] = is_held
        try:
            yield
        finally:
            _HELD.pop(root, None)


def _check_held(path: Path) -> None:
    """Raises: RunError: `path` is below a run folder that was removed while this process works on it."""
    for root, is_held in _HELD.items():
        if root in path.absolute().parents and not is_held():
            raise RunError(f"{root} was removed or replaced while this run was at work; nothing more is written")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it on success and removed on failure.

    The rename is atomic, so a reader, a crash or a full disk never leaves half a file at `path`.
    Raises: RunError: see `alone`.
    """
    _check_held(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        _check_held(path)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes the file private; other users may read results
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all, with the same line ends on every platform."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON, whole or not at all. NaN and infinity are errors."""
    write_text(path, json_text(value) + "\n")


def json_text(value: Any, indent: int = 0) -> str:
    """JSON for diffs without a line per number: lists of scalars, and all that fits a line, stay on one line."""
    line = json.dumps(value, allow_nan=False, ensure_ascii=False)
    nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(x, dict | list) for x in value))
    if not nested or indent + len(line) <= LINE_LENGTH:
        return line
    inner, outer = "\n" + " " * (indent + 1), "\n" + " " * indent
    if isinstance(value, dict):
        items = [
            f"{json.dumps(str(key), ensure_ascii=False)}: {json_text(item, indent + 1)}" for key, item in value.items()
        ]
        return "{" + inner + f",{inner}".join(items) + outer + "}"
    items = [json_text(item, indent + 1) for item in value]
    return "[" + inner + f",{inner}".join(items) + outer + "]"


def write_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write named arrays as a compressed .npz file, whole or not at all."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def make_folder(path: Path) -> None:
    """Make a folder for results, with those above it. Raises: UserError: it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"no folder can be made at {path} ({error.strerror}); name another with --out") from None


def free_folder(parent: Path, name: str) -> Path:
    """parent/name, or parent/name-2, -3, ... where that exists."""
    number, folder = 1, parent / name
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder
