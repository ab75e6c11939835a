"""The pixels of image files, read and resized once, in parallel, and cached as one memory-mapped array.

An entry of the cache is a folder: `pixels.u8`, the images one after another, and `pack.json`. Its name is two digests:
of the folder or table that lists the images, with their size in pixels; and of what determines the pixels, that is the
path, size and modification time of every file, and the version of this format. It is written under a temporary name
and renamed, so an entry is always complete; it is locked while it is written, so that what a killed process has left
can be told from what another is writing. Then older entries of the same folder or table are removed.
Axes: M readable images, H W image.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from treehead.data.image_file import read_image
from treehead.inputs import check_regular, cut, parsed_json, printable, read_text, shown_path
from treehead.system import exclusive, is_locked, usable_cores
from treehead.types import Array, OnProgress, UserError

FORMAT = 2
"""Increase it when the same file would give other pixels than before."""
PIXELS, METADATA = "pixels.u8", "pack.json"
UNFINISHED, LOCK = ".packing-", "lock"
TRIES = 5
"""Attempts to move an entry to its place while other processes do the same."""
STALE_SECONDS = 86_400
"""Unfinished entries without a lock are removed when nothing was written to them for this long."""
BLOCK = 256
"""Images in flight at a time: memory does not grow with their number."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedPixels:
    """The pixels of some files, in the cache entry `place`.

    Shapes: pixels: (M, 3, H, W) uint8, memory-mapped; rows: (M,) int64, the index of each image in the list of files.
    digests: M, of every readable file's bytes; unreadable: index in the list of files -> why it cannot be read; notes:
    what was assumed about images -> the number of these.
    """

    pixels: Array
    rows: Array
    digests: tuple[str, ...]
    unreadable: dict[int, str]
    notes: dict[str, int]
    place: Path


def cached_pixels(
    files: Sequence[Path],
    *,
    source: Path,
    image_px: int,
    cache: Path,
    log: Callable[[str], None],
    on_progress: OnProgress,
) -> CachedPixels:
    """The pixels of `files`, which `source` lists, as squares of image_px; from the cache if they are in it.

    Raises: UserError: the cache cannot be written. OSError: the disk is full.
    """
    family = hashlib.sha256(json.dumps([image_px, os.path.abspath(source)]).encode()).hexdigest()[:16]
    place = cache / f"{family}-{_key(files, image_px)}"
    cached = _opened(place, image_px)
    if cached is not None:
        return cached
    log(f"reading {len(files):,} images at {image_px} x {image_px} pixels; they are cached in {place}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=cache, prefix=UNFINISHED))
    except OSError as error:
        raise UserError(
            f"cannot cache the images in {cache} ({error.strerror}); choose another folder: data.cache=FOLDER"
        ) from None
    try:
        with exclusive(temporary / LOCK, "a new folder is not locked"):
            with (temporary / PIXELS).open("wb") as target:
                metadata = _write(files, image_px, target, on_progress)
            (temporary / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
        cached = _placed(temporary, place, image_px)
        _remove_older(place, family)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return cached


def _placed(made: Path, place: Path, image_px: int) -> CachedPixels:
    """The entry at `place`, which another process may have finished a moment ago; else the one that was `made`.

    Raises: OSError: it can be neither opened nor moved there.
    """
    for attempt in range(TRIES):
        if (cached := _opened(place, image_px)) is not None:
            return cached
        try:
            if place.exists():  # it is damaged, otherwise it would have been opened
                place.rename(made.with_name(f"{made.name}-damaged-{attempt}"))
                shutil.rmtree(made.with_name(f"{made.name}-damaged-{attempt}"), ignore_errors=True)
            made.rename(place)
        except OSError:
            if attempt == TRIES - 1:
                raise
    cached = _opened(place, image_px)
    assert cached is not None, "an entry that was just moved there can be opened"
    return cached


def _remove_older(place: Path, family: str) -> None:
    """Remove the older entries of a family, and stale unfinished entries. Processes that have one mapped keep it."""
    for other in place.parent.glob(f"{family}-*"):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
    for unfinished in place.parent.glob(f"{UNFINISHED}*"):
        with suppress(FileNotFoundError):  # another process sweeps, too
            if _is_abandoned(unfinished):
                shutil.rmtree(unfinished, ignore_errors=True)


def _is_abandoned(unfinished: Path) -> bool:
    if (unfinished / LOCK).exists():
        return not is_locked(unfinished / LOCK)
    written = max(path.stat().st_mtime for path in (unfinished, *unfinished.glob(PIXELS)))
    return written < time.time() - STALE_SECONDS


def _key(files: Sequence[Path], image_px: int) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, image_px, len(files)]).encode())
    for path in files:
        try:
            status = path.stat()
            version = (status.st_size, status.st_mtime_ns)
        except OSError:
            version = (-1, -1)
        digest.update(json.dumps([os.path.abspath(path), *version]).encode())
    return digest.hexdigest()[:32]


def _opened(place: Path, image_px: int) -> CachedPixels | None:
    """The entry at `place`; None if there is none, or a damaged one."""
    try:
        metadata = parsed_json(read_text(place / METADATA))
        digests, unreadable = metadata["digests"], {int(row): reason for row, reason in metadata["unreadable"].items()}
        shape = (len(digests), 3, image_px, image_px)
        if (place / PIXELS).stat().st_size != np.prod(shape):
            return None
        pixels = np.memmap(place / PIXELS, np.uint8, "r", shape=shape) if digests else np.zeros(shape, np.uint8)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    rows = np.array([row for row in range(len(digests) + len(unreadable)) if row not in unreadable], np.int64)
    notes = {str(note): int(count) for note, count in metadata.get("notes", {}).items()}
    return CachedPixels(pixels, rows, tuple(digests), unreadable, notes, place)


def _write(files: Sequence[Path], image_px: int, target: BinaryIO, on_progress: OnProgress) -> dict[str, Any]:
    digests: list[str] = []
    unreadable: dict[int, str] = {}
    notes: Counter[str] = Counter()
    for row, result in enumerate(_read_all(files, image_px)):
        if isinstance(result, str):
            unreadable[row] = result
        else:
            pixels, digest, assumed = result
            target.write(pixels.tobytes())
            digests.append(digest)
            notes.update(assumed)
        on_progress(row + 1, len(files))
    return {"digests": digests, "unreadable": unreadable, "notes": notes}


def _read_all(files: Sequence[Path], image_px: int) -> Iterator[tuple[Array, str, list[str]] | str]:
    """Pixels, digest and notes of each file, or why it cannot be read. In threads: Pillow reads without the GIL."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(files), BLOCK):
            yield from pool.map(lambda path: _read(path, image_px), files[start : start + BLOCK])


def _read(path: Path, image_px: int) -> tuple[Array, str, list[str]] | str:
    notes: list[str] = []
    try:
        check_regular(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return read_image(path, shape=(3, image_px, image_px), notes=notes), digest, notes
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"cannot read {shown_path(path)}: {error.strerror or error}"
    except Exception as error:  # Pillow raises errors of any type for damaged files
        return f"cannot read {shown_path(path)} ({type(error).__name__}: {cut(printable(str(error)))})"
