"""CIFAR-100's binary release: locate it, verify it, read it.

A record is one superclass byte, one fine byte, then 3,072 pixel bytes: planes R G B of 32 x 32.
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from treehead.data.dataset import Dataset, Images, channel_statistics
from treehead.hierarchy.tree import LabelTree
from treehead.inputs import check_regular, cut, printable, shown
from treehead.types import Array, UserError

FOLDER = "cifar-100-binary"
ARCHIVE = "cifar-100-binary.tar.gz"
RECORD = 2 + 3 * 32 * 32
DOWNLOAD_AGAIN = "download it again"


@dataclass(frozen=True, slots=True)
class Release:
    """The known facts about a release, which its files are checked against.

    per_leaf: the images of every leaf in each file; md5: of the archive; mean, std: per channel R G B, over the
    training images, of pixels / 255.
    """

    per_leaf: tuple[tuple[str, int], ...] = (("train.bin", 500), ("test.bin", 100))
    md5: str = "03b5dce01913d631647c71ecec9e9cb8"
    mean: tuple[float, ...] = (0.50707516, 0.48654887, 0.44091784)
    std: tuple[float, ...] = (0.26733429, 0.25643846, 0.27615047)

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.per_leaf)


RELEASE = Release()


def find(root: Path | None, *, named_by_environment: str | None, cache: Path) -> Path | None:
    """Locate the release: at `root`, else where TREEHEAD_DATA points, else in the cache; None if it is in none of them.

    Conventions: each may be the folder of train.bin and test.bin, a folder that contains `cifar-100-binary` or its
        archive, or the archive itself.
    Raises: UserError: a place named by the user does not contain the release.
    """
    environment_root = Path(named_by_environment) if named_by_environment else None
    for name, place in (("data.root", root), ("TREEHEAD_DATA", environment_root)):
        if place is not None:
            release = _release_in(place)
            if release is None:
                raise UserError(f"{name} = {place} does not contain CIFAR-100: no train.bin, no {FOLDER}, no {ARCHIVE}")
            return release
    return _release_in(cache)


def _release_in(place: Path) -> Path | None:
    try:
        if place.is_file():
            return place
        for candidate in (place, place / FOLDER):
            if (candidate / "train.bin").exists() or (candidate / "test.bin").exists():
                return candidate
        archive = place / ARCHIVE
        return archive if archive.is_file() else None
    except OSError as error:
        raise UserError(f"cannot read {place}: {error.strerror}") from None


def is_release(place: Path) -> bool:
    """Whether `place` contains CIFAR-100, or is an archive that could be CIFAR-100."""
    return place.name.endswith((".tar.gz", ".tgz")) or (place.is_dir() and _release_in(place) is not None)


def read(place: Path, tree: LabelTree, release: Release = RELEASE) -> Dataset:
    """Read all images and labels, and check the labels against the tree.

    Raises: UserError: a file is missing, truncated, swapped or damaged; the message names it.
    """
    images = {}
    for name, raw in _raw_files(place, release, tree):
        records = np.frombuffer(raw, np.uint8).reshape(-1, RECORD)
        _check_labels(place / name, records, tree)
        pixels = records[:, 2:].reshape(-1, 3, 32, 32)
        images[name] = Images(pixels, tree.label_paths(records[:, 1].astype(np.int64)))
    train, test = release.files
    return Dataset("cifar100", tree, images[train], images[test])


def check(place: Path, tree: LabelTree, release: Release = RELEASE) -> Iterator[str]:
    """Verify every known fact about the release; yields a line for each fact that holds.

    Raises: UserError: a fact does not hold; the message has the expected and the actual value.
    """
    if place.is_file():
        yield f"{place.name}: MD5 {_checked_md5(place, release.md5)}"
    dataset = read(place, tree, release)
    for (name, per_leaf), images in zip(release.per_leaf, (dataset.train, dataset.test), strict=True):
        counts = np.bincount(images.labels[:, 0], minlength=tree.num_leaves)
        wrong = np.flatnonzero(counts != per_leaf)
        if len(wrong):
            expected = f"{per_leaf} images of {tree.names[0][wrong[0]]!r}"
            raise UserError(f"{place / name}: expected {expected}, found {counts[wrong[0]]}: damaged; {DOWNLOAD_AGAIN}")
        yield f"{name}: {len(images) * RECORD:,} bytes, {len(images):,} records, {per_leaf} images of every leaf"
        yield f"{name}: all {len(images):,} superclass bytes agree with the tree"
    name = release.files[0]
    mean, std = channel_statistics(dataset.train.pixels)
    for statistic, expected, actual in (("means", release.mean, mean), ("standard deviations", release.std, std)):
        if np.abs(actual - expected).max() > 1e-6:
            difference = f"expected channel {statistic} {_figures(expected)}, found {_figures(actual)}"
            raise UserError(f"{place / name}: {difference}: damaged pixels; {DOWNLOAD_AGAIN}")
        yield f"{name}: channel {statistic} {_figures(actual)}"


def _checked_md5(archive: Path, expected: str) -> str:
    try:
        check_regular(archive)
        with archive.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {archive}: {error.strerror}") from None
    if md5 != expected:
        raise UserError(f"{archive}: expected MD5 {expected}, found {md5}: damaged; {DOWNLOAD_AGAIN}")
    return md5


def _figures(values: Iterable[float]) -> str:
    return " ".join(f"{value:.8f}" for value in values)


def _raw_files(place: Path, release: Release, tree: LabelTree) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file, from a folder or directly from the archive; of the right size, or unread."""
    if place.is_file():
        yield from _unpacked(place, release, tree.num_leaves)
        return
    for name in release.files:
        try:
            _check_length(place / name, check_regular(place / name), release, tree.num_leaves)
            raw = (place / name).read_bytes()
        except FileNotFoundError:
            raise UserError(f"{place / name} is missing; `treehead data get cifar100` downloads the release") from None
        except OSError as error:
            raise UserError(f"cannot read {place / name}: {error.strerror}") from None
        yield name, raw


MOST_HEADER = 2**16
"""Bytes that are read at once of an archive's headers; its files are read in pieces of this size."""


class _Unpacking(io.RawIOBase):
    """The unpacked archive, in pieces of at most `MOST_HEADER` bytes, whatever size its headers state."""

    def __init__(self, packed: gzip.GzipFile) -> None:
        self._packed = packed

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= MOST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._packed.read(size)

    def seek(self, place: int, whence: int = 0, /) -> int:
        return self._packed.seek(place, whence)

    def tell(self) -> int:
        return self._packed.tell()


def _unpacked(archive: Path, release: Release, num_leaves: int) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file in an archive, in the order of the archive; no more is unpacked than has to be."""
    missing = set(release.files)
    try:
        with (
            gzip.open(archive) as packed,
            tarfile.open(fileobj=_Unpacking(packed), mode="r:") as members,  # pyright: ignore[reportArgumentType]
        ):
            for member in members:
                name = member.name.removeprefix(f"{FOLDER}/")
                if name in missing and not member.isreg():
                    raise UserError(f"{archive}: {FOLDER}/{name} is not a file")
                if name in missing:
                    _check_length(archive / name, member.size, release, num_leaves)
                    missing.remove(name)
                    yield name, _content(members, member)
                elif member.size > RECORD * sum(count for _, count in release.per_leaf) * num_leaves:
                    raise tarfile.ReadError(f"{shown(member.name)} is larger than the whole release")
                if not missing:
                    return
    except UserError:
        raise
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError, OverflowError) as error:
        raise UserError(
            f"{archive} is not an archive of CIFAR-100's binary release, or damaged: {cut(printable(str(error)))}"
        ) from None
    raise UserError(f"{archive} is not CIFAR-100's binary release: it has no {FOLDER}/{min(missing)}")


def _content(members: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = members.extractfile(member)
    assert file is not None, "a regular file"
    parts, left = [], member.size
    while left and (part := file.read(min(left, MOST_HEADER))):
        parts.append(part)
        left -= len(part)
    if left:
        raise tarfile.ReadError(f"{shown(member.name)} is cut short")
    return b"".join(parts)


def _check_length(path: Path, size: int, release: Release, num_leaves: int) -> None:
    """Raises: UserError: the size of a file is not that of the release."""
    size_of = {name: per_leaf * num_leaves * RECORD for name, per_leaf in release.per_leaf}
    expected = size_of[path.name]
    if size != expected:
        others = [name for name, other in size_of.items() if other == size]
        cause = f"this is {others[0]}, the two are swapped" if others else "truncated or damaged"
        raise UserError(f"{path}: expected {expected:,} bytes, found {size:,}: {cause}")


def _check_labels(path: Path, records: Array, tree: LabelTree) -> None:
    """Raises: UserError: the first record whose fine label is out of range, or whose superclass is not its parent."""
    coarse, fine = records[:, 0], records[:, 1]
    out_of_range = np.flatnonzero(fine >= tree.num_leaves)
    if len(out_of_range):
        record = out_of_range[0]
        raise UserError(f"{path}: record {record} has fine label {fine[record]}, expected 0 to {tree.num_leaves - 1}")
    if len(tree.levels) < 2:
        return
    expected = tree.ancestors[1][fine]
    mismatched = np.flatnonzero(coarse != expected)
    if len(mismatched):
        record = mismatched[0]
        raise UserError(
            f"{path}: record {record} ({tree.names[0][fine[record]]!r}) has superclass byte {coarse[record]}, "
            f"expected {expected[record]} ({tree.names[1][expected[record]]!r})"
        )
