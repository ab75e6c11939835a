"""The output of `treehead data check` for custom images: what they are, what is wrong, what a run would do.

Axes: N images, L levels.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from treehead.config import DataConfig
from treehead.data.custom import CustomImages, check_readable, check_usable, duplicate_warnings
from treehead.data.dataset import deepest_known
from treehead.data.image_file import is_image_name
from treehead.hierarchy.sources import NamePath, slashed
from treehead.types import UserError

MAX_LISTED = 10
FEW_IMAGES = 10
"""Classes with fewer training images are reported."""
UNBALANCED = 3
"""Classes are reported as unbalanced if the largest has more than this many times the images of the smallest."""


def check_lines(images: CustomImages, config: DataConfig) -> Iterator[str]:
    """Lines to print: the number of images of every class, problems, and what a run would do with the images."""
    yield from _class_table(images)
    yield ""
    problems = [*images.listing.warnings, *_unreadable(images), *_duplicates(images), *_small(images), *_names(images)]
    yield from (f"! {problem}" for problem in problems)
    yield from [] if problems else ["no problems found"]
    yield ""
    yield from _run_preview(images, config)


def _class_table(images: CustomImages) -> Iterator[str]:
    """A line per class, indented by level: the number of its images in each part, those of classes below included."""
    counts: dict[NamePath, dict[str, int]] = defaultdict(lambda: dict.fromkeys(images.parts, 0))
    exactly: dict[NamePath, int] = defaultdict(int)
    for part, rows in images.parts.items():
        for row in rows:
            label = images.entries[row].label
            exactly[label] += 1
            for start in range(len(label)):
                counts[label[start:]][part] += 1
    inner = {path[1:] for path in counts}
    width = max(2 * len(path) + len(path[0]) for path in counts) + 2
    yield f"{'':<{width}}" + "".join(f"{part:>12}" for part in images.parts)
    for path in sorted(counts, key=lambda path: path[::-1]):
        numbers = "".join(f"{number:>12,}" for number in counts[path].values())
        note = f"   {exactly[path]:,} without a label below" if path in inner and exactly[path] else ""
        yield f"{'  ' * (len(path) - 1) + path[0]:<{width}}{numbers}{note}"


def _unreadable(images: CustomImages) -> Iterator[str]:
    reasons = list(images.cached.unreadable.values())
    if reasons:
        yield f"unreadable images ({len(reasons):,} of {len(images.listing.entries):,}):"
        yield from _listed(reasons)


def _duplicates(images: CustomImages) -> Iterator[str]:
    yield from duplicate_warnings(images)
    same_content: dict[str, list[str]] = defaultdict(list)
    for entry, digest in zip(images.entries, images.cached.digests, strict=True):
        same_content[digest].append(str(entry.path))
    groups = [" = ".join(paths) for paths in same_content.values() if len(paths) > 1]
    if groups:
        yield f"identical files ({len(groups):,}):"
        yield from _listed(groups)


def _small(images: CustomImages) -> Iterator[str]:
    """Classes without test images, and those with few training images."""
    classes = deepest_known(images.labels)
    train = classes[images.parts["train"]]
    tested = set(classes[images.parts["test"]].tolist())
    label_of = {int(number): slashed(entry.label) for number, entry in zip(classes, images.entries, strict=True)}
    untested = [label for number, label in label_of.items() if number not in tested]
    if untested:
        yield f"classes without a test image, whose accuracy is not measured ({len(untested):,}): {_joined(untested)}"
    small = [label for number, label in label_of.items() if 0 < (train == number).sum() < FEW_IMAGES]
    if small:
        yield f"classes with fewer than {FEW_IMAGES} training images ({len(small):,}): {_joined(small)}"


def _names(images: CustomImages) -> Iterator[str]:
    """Names that are probably two spellings of one class, or not meant as a class."""
    for level, names in zip(images.tree.levels, images.tree.names, strict=True):
        spellings: dict[str, list[str]] = defaultdict(list)
        for name in names:
            spellings["".join(name.casefold().split()).replace("_", "").replace("-", "")].append(name)
        for group in spellings.values():
            if len(group) > 1:
                yield f"{level}: {' and '.join(map(repr, group))} differ only in case, spaces, dashes or underscores"
            elif is_image_name(group[0]):
                yield f"{level}: the class {group[0]!r} has the name of an image file"
            elif group[0] != group[0].strip():
                yield f"{level}: the class name {group[0]!r} begins or ends with a space"


def _run_preview(images: CustomImages, config: DataConfig) -> Iterator[str]:
    tree, num_images = images.tree, {part: len(rows) for part, rows in images.parts.items()}
    heads = ", ".join(f"{level} ({size} classes)" for level, size in zip(tree.levels, tree.sizes, strict=True))
    yield f"heads: {heads}"
    yield f"cache: {images.cached.place} ({images.cached.pixels.nbytes / 1e6:,.1f} MB)"
    try:
        check_readable(images, config.unreadable_share, log=lambda message: None)
        check_usable(images)
    except UserError as error:
        yield f"not trainable: {error}"
        return
    given = any(entry.part == "test" for entry in images.entries)
    origin = "as given" if given else f"held out by data.test_share = {config.test_share:g}, the same in every run"
    yield f"training: {num_images['train']:,} images at {config.image_px} x {config.image_px} pixels"
    if "validation" in num_images:
        yield f"validation: {num_images['validation']:,} images, as given"
    yield f"test: {num_images['test']:,} images, {origin}"
    unknown = int((images.labels[:, 0] < 0).sum())
    if unknown:
        yield f"{unknown:,} images have no label at the lowest levels; the heads of these levels ignore them"
    leaves = images.labels[images.parts["train"], 0]
    counts = np.bincount(leaves[leaves >= 0])
    ratio = counts.max() / counts.min()
    if ratio > UNBALANCED:
        yield (
            f"the largest {tree.levels[0]} has {ratio:.0f} times the images of the smallest; "
            f"data.balance = {config.balance} (choices: none, weights, sampling)"
        )


def _listed(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"    {line}" for line in lines[:MAX_LISTED])
    if len(lines) > MAX_LISTED:
        yield f"    ... and {len(lines) - MAX_LISTED:,} more"


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_LISTED]) + (f" and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else "")
