"""Images and labels in memory, and how they are split.

Axes: N images, C channels, H W image, L levels of the tree.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Labelled images.

    Args:
        pixels: (N, C, H, W) uint8.
        labels: (N, L) int64; column l is the class id at level l, leaves first. A label of -1 is unknown; a label that
            is known at a level is known at every level above it.
        digests: (N,) uint64, of the content of each image's file; None for images that do not come from files.
    """

    pixels: Array
    labels: Array
    digests: Array | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: Array) -> "Images":
        """A copy of the images at `indices`."""
        digests = None if self.digests is None else self.digests[indices]
        return Images(self.pixels[indices], self.labels[indices], digests)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Training and test images with their label tree.

    Args:
        name: The name of the data set, for reports.
        tree: The label tree; labels are its class ids.
        train: The training images.
        test: The test images, which are used for the final metrics alone.
        validation: Validation images, if the data set has its own.
    """

    name: str
    tree: LabelTree
    train: Images
    test: Images
    validation: Images | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """The images to train on, those of the validation curves, those of the final metrics, and perhaps more that are
    held out of the training for calibration alone."""

    name: str
    train: Images
    validation: Images
    test: Images
    calibration: Images | None = None

    @property
    def held_out(self) -> Images | None:
        """The images to calibrate on: neither training nor test images; None where there are none."""
        if self.calibration is not None:
            return self.calibration
        return None if self.validation is self.test else self.validation


def split(dataset: Dataset, kind: str, *, pool: str = "train", calibration: float = 0.0, seed: int = 0) -> Splits:
    """Split a data set into training, validation and test images, and images for calibration.

    Conventions: `official` trains on every training image; validation images are the data set's own (the split is
        then called `given`), else the test images, which are never used for selection. `A:B` holds out B percent of
        the training and validation images for validation, the test images stay; with pool `all`, B percent of all
        images are both validation and test images. `calibration` is the share of the training images that are then
        kept for calibration instead. Stratified by leaf (by the deepest known class where the leaf is not known),
        seeded; round(n * A / 100) images of each class are training images. Which ones depends on the seed and, for
        images from files, on the content of each image; for others on its place.
    Raises: UserError: `official` with pool `all`; another kind or pool; percentages that do not sum to 100; a leaf
        with too few images.
    """
    splits = _parts(dataset, kind, pool, seed)
    return _with_calibration(splits, calibration, dataset.tree, seed) if calibration else splits


def _with_calibration(splits: Splits, share: float, tree: LabelTree, seed: int) -> Splits:
    """Raises: UserError: a leaf would have no training images left."""
    kept = np.ones(len(splits.train), bool)
    shuffled = _shuffling(splits.train, f"{seed}, calibration", [seed, 1])  # not the chance that drew the split
    strata = deepest_known(splits.train.labels)
    for stratum in np.unique(strata):
        members = shuffled(np.flatnonzero(strata == stratum))
        kept[members[: round(len(members) * share)]] = False
    train, held_out = splits.train.take(np.flatnonzero(kept)), splits.train.take(np.flatnonzero(~kept))
    counts = (_leaf_counts(images, tree) for images in (splits.train, train))
    for name, before, after in zip(tree.names[0], *counts, strict=True):
        if before and not after:
            raise UserError(
                f"data.calibration = {share:g} leaves no training images of {name!r}, which has {before}; use a "
                "smaller share, or add images"
            )
    if kept.all():
        raise UserError(f"data.calibration = {share:g} of {len(kept):,} training images is none; use a larger share")
    return dataclasses.replace(splits, train=train, calibration=held_out)


def _leaf_counts(images: Images, tree: LabelTree) -> Array:
    """(K,) number of images of each leaf."""
    leaves = images.labels[:, 0]
    return np.bincount(leaves[leaves >= 0], minlength=tree.num_leaves)


def _parts(dataset: Dataset, kind: str, pool: str, seed: int) -> Splits:
    """As `split`, without calibration."""
    if pool not in ("train", "all"):
        raise UserError(f"data.pool = {pool!r}: it must be 'train' or 'all'")
    if kind == "official":
        if pool == "all":
            raise UserError("data.pool = 'all' needs percentages in data.split, such as 80:20, not 'official'")
        if dataset.validation is not None:
            return Splits("given", dataset.train, dataset.validation, dataset.test)
        return Splits(kind, dataset.train, dataset.test, dataset.test)
    images = dataset.train if dataset.validation is None else _joined(dataset.train, dataset.validation)
    images = _joined(images, dataset.test) if pool == "all" else images
    chosen = _stratified(images, _training_percent(kind) / 100, dataset.tree.names[0], seed)
    train, held_out = images.take(np.flatnonzero(chosen)), images.take(np.flatnonzero(~chosen))
    if pool == "all":
        return Splits(f"{kind} of all", train, held_out, held_out)
    return Splits(kind, train, held_out, dataset.test)


def _training_percent(kind: str) -> int:
    percentages = re.fullmatch(r"(\d{1,3}):(\d{1,3})", kind)
    if percentages is None:
        raise UserError(f"data.split = {kind!r}: it must be 'official' or two percentages such as 80:20")
    training, held_out = map(int, percentages.groups())
    if training + held_out != 100:
        raise UserError(f"data.split = {kind!r}: the two percentages must sum to 100")
    return training


def _joined(first: Images, second: Images) -> Images:
    pixels = np.concatenate([first.pixels, second.pixels])
    digests = None
    if first.digests is not None and second.digests is not None:
        digests = np.concatenate([first.digests, second.digests])
    return Images(pixels, np.concatenate([first.labels, second.labels]), digests)


def _stratified(images: Images, share: float, names: tuple[str, ...], seed: int) -> Array:
    """(N,) bool: a random `share` of the images of each leaf, and of each class that is the deepest known."""
    shuffled, labels = _shuffling(images, seed, seed), images.labels
    chosen = np.zeros(len(labels), bool)
    for leaf, name in enumerate(names):
        members = shuffled(np.flatnonzero(labels[:, 0] == leaf))
        count = round(len(members) * share)
        if not 0 < count < len(members):
            raise UserError(f"{name!r} has {len(members)} images, too few for both parts of the split; add images")
        chosen[members[: _without_cutting(members, count, images.digests)]] = True
    strata = np.where(labels[:, 0] < 0, deepest_known(labels), -1)
    for stratum in np.unique(strata[strata >= 0]):
        members = shuffled(np.flatnonzero(strata == stratum))
        chosen[members[: round(len(members) * share)]] = True
    return chosen


def _shuffling(images: Images, salt: int | str, seed: int | list[int]) -> Callable[[Array], Array]:
    """A function that shuffles indices of images: by their content and `salt` where it is known, else by `seed`."""
    if images.digests is None:
        return np.random.default_rng(seed).permutation
    ranks = content_ranks(images.digests.tolist(), salt)
    return lambda members: members[np.argsort(ranks[members], kind="stable")]


def _without_cutting(members: Array, count: int, digests: Array | None) -> int:
    """The number nearest to `count` at which no copies of one image are parted; `count` itself where there is none."""
    if digests is None:
        return count
    contents = digests[members]
    cuts = np.flatnonzero(contents[1:] != contents[:-1]) + 1
    return int(cuts[np.abs(cuts - count).argmin()]) if len(cuts) else count


def content_ranks(digests: Sequence[object], seed: int | str) -> Array:
    """(N,) uint64: a number for each image that depends on its content and the seed alone, as if drawn at random."""
    hashes = (hashlib.blake2b(f"{seed}:{digest}".encode(), digest_size=8).digest() for digest in digests)
    return np.frombuffer(b"".join(hashes), np.uint64)


def content_digests(images: Images) -> Array:
    """(N,) uint64: what an image is known by: the digest of its file, or of its pixels if it has no file."""
    if images.digests is not None:
        return images.digests
    rows = (np.ascontiguousarray(image).data for image in images.pixels)
    return np.frombuffer(b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows), np.uint64)


def deepest_known(labels: Array) -> Array:
    """The deepest known class of each image, as a number that is unique over all levels.

    Shapes: labels: (N, L), leaves first, -1 where not known; known at the top level; returns (N,) int64.
    """
    level = (labels >= 0).argmax(axis=1)
    return labels[np.arange(len(labels)), level] * labels.shape[1] + level


def channel_statistics(pixels: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of every channel, of pixels scaled to [0, 1].

    Shapes: pixels: (N, C, H, W) uint8; returns two (C,) float64.
    Conventions: over all images and pixels; the population standard deviation (divide by N*H*W). Exact, by counting
        the 256 values of a byte.
    """
    values = np.arange(256) / 255
    counts = _byte_counts(pixels)
    mean = counts @ values / counts.sum(axis=1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    return mean, np.sqrt(variance)


def input_statistics(pixels: Array) -> tuple[Array, Array]:
    """Mean and standard deviation that images are standardised with: as `channel_statistics`, but never 0.

    Conventions: a channel that does not vary, such as the red of images that are green alone, has the deviation 1, so
        it is 0 for every training image.
    """
    mean, std = channel_statistics(pixels)
    return mean, np.where(std > 0, std, 1.0)


def _byte_counts(pixels: Array, *, block: int = 2048) -> Array:
    """(C, 256) int64: how often each value occurs in each channel.

    Counted a block of images at a time, because bincount converts its input to 8 bytes per value.
    """
    counts = np.zeros((pixels.shape[1], 256), np.int64)
    for start in range(0, len(pixels), block):
        for channel, histogram in enumerate(counts):
            histogram += np.bincount(pixels[start : start + block, channel].ravel(), minlength=256)
    return counts
