"""Any number of image files, found in folders and decoded in threads, a batch at a time.

Axes: M images of a batch, C channels, H W image.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from treehead.data.pictures import is_picture_name, read_picture
from treehead.types import Array, UserError

BATCH = 128


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some files, in their order. Shapes: pixels: (M, C, H, W) uint8, of `paths`; `failures` are (path, reason)."""

    paths: list[Path]
    pixels: Array
    failures: list[tuple[Path, str]]


def find_pictures(places: Sequence[Path]) -> Iterator[Path]:
    """The files among `places`, and the image files in the folders among them, however deep, sorted by name.

    Conventions: in a folder a file counts by its suffix, and what begins with a dot is left out; links to folders are
        not followed. A file that is named itself counts whatever it is called. Nothing is opened, and no more names
        are held than those of one folder.
    Raises: UserError: there is nothing at one of `places`; said before the first file is given.
    """
    for place in places:
        if not place.exists():
            raise UserError(f"there is no image at {place}")
    return (path for place in places for path in (_inside(place) if place.is_dir() else (place,)))


def _inside(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read the folder {error.filename}: {error.strerror}")

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if is_picture_name(name))


def decoded(paths: Iterable[Path], *, shape: tuple[int, int, int], threads: int, size: int = BATCH) -> Iterator[Batch]:
    """Decode files in threads and fit them to `shape` (C, H, W); `size` files a batch, in order.

    Conventions: at most threads + 1 batches are held at once, however many files there are.
    """
    names = iter(paths)
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                while len(waiting) <= threads and (some := list(islice(names, size))):
                    waiting.append(pool.submit(_decode, some, shape))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:  # whoever stops early does not wait for what was planned
                future.cancel()


def _decode(paths: list[Path], shape: tuple[int, int, int]) -> Batch:
    pixels, readable, failures = np.empty((len(paths), *shape), np.uint8), [], []
    for path in paths:
        try:
            pixels[len(readable)] = read_picture(path, shape=shape)
            readable.append(path)
        except UserError as error:
            failures.append((path, str(error)))
    return Batch(readable, pixels[: len(readable)], failures)
