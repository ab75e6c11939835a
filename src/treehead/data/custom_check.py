"""The output of `treehead data check` for custom images: what they are, what is wrong, what a run would do.

Axes: N images, L levels.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from treehead.config import DataConfig
from treehead.data.custom import CustomImages, check_readable, check_usable, depth_notes, duplicate_warnings
from treehead.data.image_file import is_image_name
from treehead.hierarchy.sources import NamePath, slashed
from treehead.inputs import composed, shown
from treehead.types import UserError

CHANNELS = ("red", "green", "blue")
MISSING = frozenset({"nan", "na", "n/a", "none", "null", "nil", "?"})
MAX_LISTED = 10
FEW_IMAGES = 10
"""Classes with fewer training images are reported."""
UNBALANCED = 3
"""Classes are reported as unbalanced if the largest has more than this many times the images of the smallest."""


def check_lines(images: CustomImages, config: DataConfig) -> Iterator[str]:
    """Lines to print: the number of images of every class, problems, and what a run would do with the images."""
    counts = _class_counts(images)
    yield from _class_table(images, counts)
    yield ""
    problems = [
        *(*images.listing.warnings, *depth_notes(images), *_unreadable(images), *_duplicates(images)),
        *(*_blank(images), *_small(counts), *_single(images), *_names(images)),
    ]
    yield from (f"! {problem}" for problem in problems)
    yield from [] if problems else ["no problems found"]
    yield ""
    yield from _run_preview(images, config)


def _class_counts(images: CustomImages) -> dict[NamePath, dict[str, int]]:
    """The images of each class in each part, those of the classes below included; every class after its parent."""
    counts: dict[NamePath, dict[str, int]] = defaultdict(lambda: dict.fromkeys(images.parts, 0))
    for part, rows in images.parts.items():
        for row in rows:
            label = images.entries[row].label
            for start in range(len(label)):
                counts[label[start:]][part] += 1
    return {path: counts[path] for path in sorted(counts, key=lambda path: path[::-1])}


def _class_table(images: CustomImages, counts: dict[NamePath, dict[str, int]]) -> Iterator[str]:
    """A line per class with the number of its images in each part, indented by level."""
    labels = Counter(entry.label for entry in images.entries)
    inner = {path[1:] for path in counts}
    width = max((2 * len(path) + len(path[0]) for path in counts), default=0) + 2
    yield f"{'':<{width}}" + "".join(f"{part:>12}" for part in images.parts)
    for path, of_part in counts.items():
        numbers = "".join(f"{number:>12,}" for number in of_part.values())
        note = f"   {labels[path]:,} without a label below" if path in inner and path in labels else ""
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


def _blank(images: CustomImages) -> Iterator[str]:
    """Images of one colour throughout, and channels that do not vary in any image."""
    least = np.full(3, 255, np.uint8)
    greatest = np.zeros(3, np.uint8)
    blank = []
    for row, pixels in enumerate(images.cached.pixels):
        low, high = pixels.min(axis=(1, 2)), pixels.max(axis=(1, 2))
        least, greatest = np.minimum(least, low), np.maximum(greatest, high)
        if (low == high).all():
            blank.append(str(images.entries[row].path))
    if blank:
        yield f"images of one colour, with nothing to see ({len(blank):,}):"
        yield from _listed(blank)
    constant = [name for name, low, high in zip(CHANNELS, least, greatest, strict=True) if low == high]
    if constant and images.entries:
        yield f"constant in all images, so that nothing can be learned from it: the channel {' and '.join(constant)}"


def _single(images: CustomImages) -> Iterator[str]:
    """Levels with a single class, whose head is right whatever it sees."""
    for level, names in zip(images.tree.levels, images.tree.names, strict=True):
        if len(names) == 1:
            yield (
                f"the level {level} has a single class, {shown(names[0])}, so its accuracy is always 100 %; leave out "
                "this level of folders or this column"
            )


def _small(counts: dict[NamePath, dict[str, int]]) -> Iterator[str]:
    """Classes without test images, and those with few training images."""
    untested = [slashed(path) for path, of_part in counts.items() if not of_part["test"]]
    if untested:
        yield f"classes without a test image, whose accuracy is not measured ({len(untested):,}): {_joined(untested)}"
    small = [slashed(path) for path, of_part in counts.items() if of_part["train"] < FEW_IMAGES]
    if small:
        yield f"classes with fewer than {FEW_IMAGES} training images ({len(small):,}): {_joined(small)}"


def _names(images: CustomImages) -> Iterator[str]:
    """Names that are probably two spellings of one class, or not meant as a class."""
    groups: dict[tuple[str, ...], None] = {}  # in order; a name that is repeated down to the leaves counts once
    for names in images.tree.names:
        spellings: dict[str, list[str]] = defaultdict(list)
        for name in names:
            plain = unicodedata.normalize("NFKC", name).casefold()
            spellings["".join(plain.split()).replace("_", "").replace("-", "")].append(name)
        groups |= dict.fromkeys(map(tuple, spellings.values()))
    for first, *others in groups:
        if others:
            look_alike = len({composed(name) for name in (first, *others)}) == 1
            spelled = " and ".join(map(ascii if look_alike else shown, (first, *others)))
            yield f"the classes {spelled} differ only in case, spaces, dashes, underscores or their Unicode form"
        elif is_image_name(first):
            yield f"the class {first!r} has the name of an image file"
        elif first.casefold() in MISSING:
            yield f"the class {first!r} may be a missing value; an empty cell is one"
        elif first != first.strip():
            yield f"the class name {first!r} begins or ends with a space"


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
    counts = np.bincount(leaves[leaves >= 0], minlength=1)
    ratio = counts.max() / max(counts.min(), 1)
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
