"""CIFAR-100's binary release: find it, verify it, read it.

A record is one superclass byte, one fine byte, then 3,072 pixel bytes: planes R G B of 32 x 32.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from treehead.data.dataset import Dataset, Images, channel_statistics
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

FOLDER = "cifar-100-binary"
ARCHIVE = "cifar-100-binary.tar.gz"
RECORD = 2 + 3 * 32 * 32


@dataclass(frozen=True, slots=True)
class Release:
    """What is known of a release, to hold files against."""

    per_leaf: tuple[tuple[str, int], ...] = (("train.bin", 500), ("test.bin", 100))
    md5: str = "03b5dce01913d631647c71ecec9e9cb8"  # of the archive
    mean: tuple[float, ...] = (0.50707516, 0.48654887, 0.44091784)  # training images, R G B, of pixels / 255
    std: tuple[float, ...] = (0.26733429, 0.25643846, 0.27615047)

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.per_leaf)


RELEASE = Release()


def find(root: Path | None, *, named_by_environment: str | None, cache: Path) -> Path | None:
    """Where the release lies: `root`, else the folder TREEHEAD_DATA names, else the cache; None if nowhere.

    Conventions: each may be the folder of train.bin and test.bin, a folder that holds `cifar-100-binary` or its
        archive, or the archive itself.
    Raises: UserError: a place named by the user holds no release.
    """
    named = [(root, "data.root"), (Path(named_by_environment) if named_by_environment else None, "TREEHEAD_DATA")]
    for place, who in named:
        if place is not None:
            found = _release_in(place)
            if found is None:
                raise UserError(f"{who} = {place} holds no CIFAR-100: no train.bin, no {FOLDER}, no {ARCHIVE}")
            return found
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
        raise UserError(f"cannot look into {place}: {error.strerror}") from None


def read(place: Path, tree: LabelTree, release: Release = RELEASE) -> Dataset:
    """All images and labels, checked against the tree.

    Raises: UserError: a file is missing, truncated, swapped or damaged; the message names it.
    """
    images = {}
    for name, raw in _raw_files(place, release):
        records = _records(place / name, raw, num=dict(release.per_leaf)[name] * tree.num_leaves)
        _check_labels(place / name, records, tree)
        pixels = records[:, 2:].reshape(-1, 3, 32, 32)
        images[name] = Images(pixels, tree.label_paths(records[:, 1].astype(np.int64)))
    train, test = release.files
    return Dataset("cifar100", tree, images[train], images[test])


def check(place: Path, tree: LabelTree, release: Release = RELEASE) -> Iterator[str]:
    """Verify everything that is known of the release; yields a line per fact that holds.

    Raises: UserError: the first fact that does not hold, with what was expected and what was found.
    """
    if place.is_file():
        found = hashlib.md5(_bytes_of(place), usedforsecurity=False).hexdigest()
        if found != release.md5:
            raise UserError(f"{place}: expected MD5 {release.md5}, found {found}; fetch it again")
        yield f"{place.name}: MD5 {found}"
    dataset = read(place, tree, release)
    for (name, per_leaf), images in zip(release.per_leaf, (dataset.train, dataset.test), strict=True):
        counts = np.bincount(images.labels[:, 0], minlength=tree.num_leaves)
        for leaf in np.flatnonzero(counts != per_leaf):
            raise UserError(
                f"{place / name}: expected {per_leaf} images of {tree.names[0][leaf]!r}, found {counts[leaf]}"
            )
        yield f"{name}: {len(images) * RECORD:,} bytes, {len(images):,} records, {per_leaf} images of every leaf"
        yield f"{name}: all {len(images):,} superclass bytes agree with the tree"
    for what, expected, found in zip(
        ("means", "standard deviations"),
        (release.mean, release.std),
        channel_statistics(dataset.train.pixels),
        strict=True,
    ):
        said = " ".join(f"{value:.8f}" for value in found)
        if np.abs(found - expected).max() > 1e-6:
            wanted = " ".join(f"{value:.8f}" for value in expected)
            raise UserError(f"{place / release.files[0]}: channel {what} are {said}, expected {wanted}: other pixels")
        yield f"{release.files[0]}: channel {what} {said}"


def _raw_files(place: Path, release: Release) -> Iterator[tuple[str, bytes | Array]]:
    if place.is_dir():
        for name in release.files:
            yield name, np.frombuffer(_bytes_of(place / name), np.uint8)
        return
    try:
        with tarfile.open(place) as archive:
            for name in release.files:
                member = archive.extractfile(f"{FOLDER}/{name}")
                assert member is not None
                yield name, member.read()
    except (tarfile.TarError, KeyError, AssertionError, EOFError, OSError, ValueError) as error:
        raise UserError(f"{place} is no archive of CIFAR-100's binary release ({error})") from None


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `treehead data get cifar100` fetches the release") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _records(path: Path, raw: bytes | Array, *, num: int) -> Array:
    if len(raw) != num * RECORD:
        raise UserError(f"{path}: expected {num * RECORD:,} bytes, found {len(raw):,}: truncated, swapped or damaged")
    return np.frombuffer(raw, np.uint8).reshape(num, RECORD)


def _check_labels(path: Path, records: Array, tree: LabelTree) -> None:
    coarse, fine = records[:, 0], records[:, 1]
    for record in np.flatnonzero(fine >= tree.num_leaves):
        raise UserError(f"{path}: record {record} has fine label {fine[record]}, expected 0 to {tree.num_leaves - 1}")
    if len(tree.levels) < 2:
        return
    expected = tree.ancestors[1][fine]
    for record in np.flatnonzero(coarse != expected):
        raise UserError(
            f"{path}: record {record} ({tree.names[0][fine[record]]!r}) has superclass byte {coarse[record]}, "
            f"expected {expected[record]} ({tree.names[1][expected[record]]!r})"
        )
