"""Find any number of image files in folders and read them in threads, a batch at a time.

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

from treehead.data.image_file import is_image_name, read_image
from treehead.inputs import shown_path
from treehead.types import Array, UserError

BATCH_SIZE = 128


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some images, in the order of their files.

    Shapes: pixels: (M, C, H, W) uint8, of the files `paths`. failures: (path, reason) of each file that cannot be read.
    """

    paths: list[Path]
    pixels: Array
    failures: list[tuple[Path, str]]


def find_images(places: Sequence[Path]) -> Iterator[Path]:
    """The files among `places`, and the image files in the folders among them and below, sorted by name.

    Conventions: in a folder only files with the suffix of an image count, and names that begin with a dot are skipped;
        links to folders are not followed. A file that is itself in `places` counts whatever its name. No file is
        opened, and only the names of one folder are in memory at a time.
    Raises: UserError: one of `places` does not exist; raised before the first file is returned.
    """
    for place in places:
        if not place.exists():
            raise UserError(f"there is no image at {shown_path(place)}")
    return (path for place in places for path in (_images_below(place) if place.is_dir() else (place,)))


def _images_below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UserError(f"cannot read the folder {shown_path(error.filename)}: {error.strerror}")

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if is_image_name(name))


def read_batches(
    paths: Iterable[Path], *, shape: tuple[int, int, int], threads: int, batch_size: int = BATCH_SIZE
) -> Iterator[Batch]:
    """Read files in threads and fit each image to `shape` (C, H, W), in the order of `paths`.

    Conventions: at most threads + 1 batches are in memory, however many files there are.
    """
    remaining = iter(paths)
    pending: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                while len(pending) <= threads and (batch := list(islice(remaining, batch_size))):
                    pending.append(pool.submit(_read_batch, batch, shape))
                if not pending:
                    return
                yield pending.popleft().result()
        finally:
            for future in pending:  # a consumer that stops early does not wait for them
                future.cancel()


def _read_batch(paths: list[Path], shape: tuple[int, int, int]) -> Batch:
    pixels, readable, failures = np.empty((len(paths), *shape), np.uint8), [], []
    for path in paths:
        try:
            pixels[len(readable)] = read_image(path, shape=shape)
            readable.append(path)
        except UserError as error:
            failures.append((path, str(error)))
    return Batch(readable, pixels[: len(readable)], failures)
