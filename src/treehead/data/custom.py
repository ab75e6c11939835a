"""Custom images as a data set: listed, read, and divided into training and test images.

Axes: N images, L levels.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from treehead.config import DataConfig
from treehead.data.dataset import Dataset, Images, content_ranks
from treehead.data.folder import list_folder
from treehead.data.listing import ImageEntry, Listing
from treehead.data.manifest import list_manifest
from treehead.data.pixel_cache import CachedPixels, cached_pixels
from treehead.hierarchy.sources import NamePath, slashed
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, OnProgress, UserError

TEST_SEED = 0
"""Seed for drawing test images: the same images in every run, whatever its seed."""
MAX_LISTED = 20
"""Number of unreadable files that are listed one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class CustomImages:
    """The readable images of a listing, with their pixels and parts.

    Shapes: entries: N; labels: (N, L), -1 where not known; parts: name -> indices among these N images.
    """

    listing: Listing
    tree: LabelTree
    cached: CachedPixels
    entries: tuple[ImageEntry, ...]
    labels: Array
    parts: dict[str, Array]


def list_images(config: DataConfig) -> Listing:
    """List the images at `data.root` without reading one. Raises: UserError: as `list_folder` and `list_manifest`."""
    if config.root is None:
        raise UserError(f"data.name = {config.name!r} needs data.root; treehead train --data photos/ sets both")
    list_files = list_manifest if config.name == "manifest" else list_folder
    return list_files(config.root, config.levels)


def read_custom(config: DataConfig, *, cache: Path, log: Callable[[str], None], on_progress: OnProgress) -> Dataset:
    """The data set at `data.root`; `log` gets a sentence for everything that was skipped or is probably a mistake.

    Raises: UserError: no training images, more unreadable images than data.unreadable_share, a class without images.
    """
    images = read_images(config, cache=cache, log=log, on_progress=on_progress)
    for warning in (*images.listing.warnings, *depth_notes(images)):
        log(warning)
    check_readable(images, config.unreadable_share, log)
    check_usable(images)
    for warning in duplicate_warnings(images):
        log(warning)
    digests = np.array([int(digest[:16], 16) for digest in images.cached.digests], np.uint64)
    parts = {
        name: Images(images.cached.pixels[rows], images.labels[rows], digests[rows])
        for name, rows in images.parts.items()
    }
    return Dataset(images.listing.name, images.tree, parts["train"], parts["test"], parts.get("validation"))


def read_images(
    config: DataConfig, *, cache: Path, log: Callable[[str], None], on_progress: OnProgress
) -> CustomImages:
    """List, read and divide the images at `data.root` without checking that they can be trained on."""
    listing = list_images(config)
    tree, labels = listing.tree_and_labels()
    files = [entry.path for entry in listing.entries]
    cached = cached_pixels(
        files, source=listing.root, image_px=config.image_px, cache=cache, log=log, on_progress=on_progress
    )
    entries, labels = tuple(listing.entries[row] for row in cached.rows), labels[cached.rows]
    parts = divide(entries, cached.digests, test_share=config.test_share)
    return CustomImages(listing, tree, cached, entries, labels, parts)


def divide(entries: Sequence[ImageEntry], digests: Sequence[str], *, test_share: float) -> dict[str, Array]:
    """Indices of the images of each part: train, test, and validation if any entry is in it.

    Conventions: an entry keeps its part if it has one. Without test entries, `test_share` of the training images of
        each class (the deepest known) become test images: at least one of two distinct images, none of a single one.
        Which ones depends on the content of each image alone, not on its name or place, so an image that is added or
        removed changes the part of at most one other image. Images with the same content stay together.
    """
    given = np.array([entry.part or "train" for entry in entries], dtype=object)
    parts = {part: np.flatnonzero(given == part) for part in ("train", "validation", "test")}
    if not len(parts["test"]):
        parts["test"] = _held_out(parts["train"], entries, digests, test_share)
        parts["train"] = np.setdiff1d(parts["train"], parts["test"])
    if not len(parts["validation"]):
        del parts["validation"]
    return parts


def _held_out(candidates: Array, entries: Sequence[ImageEntry], digests: Sequence[str], share: float) -> Array:
    """The candidates that become test images; see `divide`."""
    same_content: dict[str, list[int]] = defaultdict(list)
    for row in map(int, candidates):
        same_content[digests[row]].append(row)
    ranks = dict(zip(same_content, content_ranks(list(same_content), TEST_SEED).tolist(), strict=True))
    strata: dict[NamePath, list[str]] = defaultdict(list)
    for digest, rows in same_content.items():
        strata[min(entries[row].label for row in rows)].append(digest)
    chosen: list[int] = []
    for members in strata.values():
        count = min(max(round(len(members) * share), 1), len(members) - 1)
        for digest in sorted(members, key=ranks.__getitem__)[:count]:
            chosen += same_content[digest]
    return np.array(sorted(chosen), np.int64)


def depth_notes(images: CustomImages) -> list[str]:
    """A sentence for each assumption about the range of images of more than 8 bits."""
    return [f"{note} ({count:,} of them)" for note, count in images.cached.notes.items()]


def check_readable(images: CustomImages, share: float, log: Callable[[str], None]) -> None:
    """Log the unreadable files. Raises: UserError: they are more than `share` of all files."""
    reasons, total = list(images.cached.unreadable.values()), len(images.listing.entries)
    if not reasons:
        return
    for reason in reasons[:MAX_LISTED]:
        log(f"unreadable: {reason}")
    if len(reasons) > MAX_LISTED:
        log(f"... and {len(reasons) - MAX_LISTED:,} more")
    if len(reasons) > share * total:
        raise UserError(
            f"{len(reasons):,} of {total:,} images of {images.listing.root} cannot be read, more than "
            f"data.unreadable_share = {share:g} allows; the first: {reasons[0]}"
        )
    log(f"skipped {len(reasons):,} of {total:,} images because they cannot be read")


def check_usable(images: CustomImages) -> None:
    """Raises: UserError: a leaf without training images, or a level without test images."""
    root, tree = images.listing.root, images.tree
    train_leaves, test_labels = images.labels[images.parts["train"], 0], images.labels[images.parts["test"]]
    counts = np.bincount(train_leaves[train_leaves >= 0], minlength=tree.num_leaves)
    if not counts.all():
        path = slashed(tuple(dict.fromkeys(tree.path_names(int(counts.argmin())))))
        raise UserError(f"class {path} of {root} has no readable training image; add images or remove the class")
    for level, labels in zip(tree.levels, test_labels.T, strict=True):
        if not (labels >= 0).any():
            raise UserError(
                f"{root} has no test image with a known {level}; a test image is held out of every class that has at "
                "least two images"
            )


def duplicate_warnings(images: CustomImages) -> list[str]:
    """A sentence if images with the same content have different labels, and one if they are in different parts."""
    part_of = np.empty(len(images.entries), dtype=object)
    for part, rows in images.parts.items():
        part_of[rows] = part
    same_content: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(images.cached.digests):
        same_content[digest].append(row)
    groups = [rows for rows in same_content.values() if len(rows) > 1]
    two_labels = [rows for rows in groups if len({images.entries[row].label for row in rows}) > 1]
    two_parts = [rows for rows in groups if len({part_of[row] for row in rows}) > 1]
    warnings = []
    for affected, problem in (
        (two_labels, "more than one label, which contradict each other in training"),
        (two_parts, "copies in more than one part of the split, which makes test results too good"),
    ):
        if affected:
            example = " and ".join(str(images.entries[row].path) for row in affected[0][:2])
            subject = "1 image has" if len(affected) == 1 else f"{len(affected):,} images have"
            warnings.append(f"{subject} {problem}; for example {example}")
    return warnings
