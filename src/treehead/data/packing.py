"""Image files decoded once, in parallel, into one memory-mapped array in a cache.

A pack is a folder: `pixels.u8`, the images one after another, and `pack.json`. Its name is two digests: of the folder
or table that lists the images, with their size in pixels; and of what it was made from, that is every file's path, size
and time of change, and the version of this format. It is written beside its place and renamed, so there is never half a
pack; then the packs of what the same folder or table listed before are removed.
Axes: M readable images, H W image.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from treehead.data.pictures import read_picture
from treehead.types import Array, UserError

FORMAT = 1
"""Raise it when a file would be decoded into other pixels than before."""
PIXELS, ABOUT = "pixels.u8", "pack.json"
UNFINISHED = ".packing-"
FORGOTTEN_SECONDS = 86_400
"""What a killed decoding left is removed when nothing was written to it for so long."""
BLOCK = 256
"""Images in flight at a time: memory does not grow with their number."""


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """What became of some files; it is kept at `place`.

    Shapes: pixels: (M, 3, H, W) uint8, memory-mapped; rows: (M,) int64, the place of each in the list of files.
    digests: M, of every readable file's bytes; unreadable: the sentences that say why, by place in the list.
    """

    pixels: Array
    rows: Array
    digests: tuple[str, ...]
    unreadable: dict[int, str]
    place: Path


def pack(
    files: Sequence[Path],
    *,
    source: Path,
    image_px: int,
    cache: Path,
    say: Callable[[str], None],
    report: Callable[[int, int | None], None],
) -> Pack:
    """Decode the `files` that `source` lists to squares of image_px, or find them decoded already.

    Conventions: `report` is told (done, of how many).
    Raises: UserError: the cache cannot be written. OSError: the disk is full.
    """
    family = hashlib.sha256(json.dumps([image_px, os.path.abspath(source)]).encode()).hexdigest()[:16]
    place = cache / f"{family}-{_key(files, image_px)}"
    found = _opened(place, image_px)
    if found is not None:
        return found
    say(f"decoding {len(files):,} images to {image_px} x {image_px} pixels; once, they are kept in {place}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=cache, prefix=UNFINISHED))
    except OSError as error:
        raise UserError(
            f"decoded images cannot be kept in {cache} ({error.strerror}); name a folder for them: data.cache=FOLDER"
        ) from None
    try:
        with (temporary / PIXELS).open("wb") as target:
            about = _write(files, image_px, target, report)
        (temporary / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        if place.exists():  # damaged, or it would have been opened
            shutil.rmtree(place)
        temporary.rename(place)
        _remove_older(place, family)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    made = _opened(place, image_px)
    assert made is not None, "what was written can be read"
    return made


def _remove_older(place: Path, family: str) -> None:
    """Remove the other packs of a family, and what a killed decoding left. Who has one mapped keeps what is mapped."""
    for other in place.parent.glob(f"{family}-*"):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
    for left in place.parent.glob(f"{UNFINISHED}*"):
        written = max((path.stat().st_mtime for path in (left, *left.glob(PIXELS))), default=0.0)
        if written < time.time() - FORGOTTEN_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _key(files: Sequence[Path], image_px: int) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, image_px, len(files)]).encode())
    for path in files:
        try:
            found = path.stat()
            facts = (found.st_size, found.st_mtime_ns)
        except OSError:
            facts = (-1, -1)
        digest.update(json.dumps([os.path.abspath(path), *facts]).encode())
    return digest.hexdigest()[:32]


def _opened(place: Path, image_px: int) -> Pack | None:
    """The pack at `place`; None if there is none, or not a whole one."""
    try:
        about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
        digests, unreadable = about["digests"], {int(row): reason for row, reason in about["unreadable"].items()}
        shape = (len(digests), 3, image_px, image_px)
        if (place / PIXELS).stat().st_size != np.prod(shape):
            return None
        pixels = np.memmap(place / PIXELS, np.uint8, "r", shape=shape) if digests else np.zeros(shape, np.uint8)
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    rows = np.array([row for row in range(len(digests) + len(unreadable)) if row not in unreadable], np.int64)
    return Pack(pixels, rows, tuple(digests), unreadable, place)


def _write(
    files: Sequence[Path], image_px: int, target: BinaryIO, report: Callable[[int, int | None], None]
) -> dict[str, Any]:
    digests: list[str] = []
    unreadable: dict[int, str] = {}
    for row, result in enumerate(_decoded(files, image_px)):
        if isinstance(result, str):
            unreadable[row] = result
        else:
            pixels, digest = result
            target.write(pixels.tobytes())
            digests.append(digest)
        report(row + 1, len(files))
    return {"digests": digests, "unreadable": unreadable}


def _decoded(files: Sequence[Path], image_px: int) -> Iterator[tuple[Array, str] | str]:
    """In the files' order: pixels and digest, or why there are none. Threads: Pillow decodes outside the GIL."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), BLOCK):
            yield from pool.map(lambda path: _decode(path, image_px), files[start : start + BLOCK])


def _decode(path: Path, image_px: int) -> tuple[Array, str] | str:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return read_picture(path, shape=(3, image_px, image_px)), digest
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"cannot read {path}: {error.strerror or error}"
    except Exception as error:  # a decoder may trip over a damaged file in any way
        return f"{path} cannot be decoded ({type(error).__name__}: {error})"
