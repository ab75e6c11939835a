"""What a look at one's own images finds before anything is trained.

Axes: N images, L levels.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from treehead.config import DataConfig
from treehead.data.dataset import deepest_known
from treehead.data.own import OwnImages, refuse_unreadable, refuse_unusable, shared_contents
from treehead.data.pictures import is_picture_name
from treehead.hierarchy.sources import NamePath
from treehead.types import UserError

SHOWN = 10
FEW = 10
"""Training images of a class from which on a network has something to learn."""


def findings(own: OwnImages, config: DataConfig) -> Iterator[str]:
    """Lines for a person: images of every node, then what looks wrong, then what a training would do."""
    yield from _nodes(own)
    yield ""
    worries = [*own.listing.remarks, *_unreadable(own), *_same_contents(own), *_small(own), *_names(own)]
    yield from (f"! {worry}" for worry in worries)
    yield from [] if worries else ["nothing looks wrong"]
    yield ""
    yield from _plan(own, config)


def _nodes(own: OwnImages) -> Iterator[str]:
    """A line per node of the tree, indented: its images in each part, those below it included."""
    counts: dict[NamePath, dict[str, int]] = defaultdict(lambda: dict.fromkeys(own.parts, 0))
    exact: dict[NamePath, int] = defaultdict(int)
    for part, places in own.parts.items():
        for place in places:
            label = own.files[place].label
            exact[label] += 1
            for end in range(1, len(label) + 1):
                counts[label[:end]][part] += 1
    inner = {path[:-1] for path in counts}
    width = max(2 * len(path) + len(path[-1]) for path in counts) + 2
    yield f"{'':<{width}}" + "".join(f"{part:>12}" for part in own.parts)
    for path in sorted(counts):
        figures = "".join(f"{number:>12,}" for number in counts[path].values())
        only = f"   {exact[path]:,} known only so far" if path in inner and exact[path] else ""
        yield f"{'  ' * (len(path) - 1) + path[-1]:<{width}}{figures}{only}"


def _unreadable(own: OwnImages) -> Iterator[str]:
    reasons = list(own.pack.unreadable.values())
    if reasons:
        yield f"cannot be read ({len(reasons):,} of {len(own.listing.files):,}):"
        yield from _some(reasons)


def _same_contents(own: OwnImages) -> Iterator[str]:
    yield from shared_contents(own)
    same: dict[str, list[str]] = defaultdict(list)
    for file, digest in zip(own.files, own.pack.digests, strict=True):
        same[digest].append(str(file.path))
    groups = [" = ".join(paths) for paths in same.values() if len(paths) > 1]
    if groups:
        yield f"more than once there, byte for byte ({len(groups):,}):"
        yield from _some(groups)


def _small(own: OwnImages) -> Iterator[str]:
    """Classes that a split cannot divide, and those with little to learn from."""
    train = deepest_known(own.labels[own.parts["train"]])
    test = set(deepest_known(own.labels[own.parts["test"]]).tolist())
    number = deepest_known(own.labels)
    label_of = {int(stratum): file.label for stratum, file in zip(number, own.files, strict=True)}
    untested = ["/".join(label) for stratum, label in label_of.items() if stratum not in test]
    if untested:
        yield f"no test image, so nothing is measured of them ({len(untested):,}): {_few(untested)}"
    small = ["/".join(label) for stratum, label in label_of.items() if 0 < (train == stratum).sum() < FEW]
    if small:
        yield f"fewer than {FEW} training images ({len(small):,}): {_few(small)}"


def _names(own: OwnImages) -> Iterator[str]:
    """Names that are probably one class written in two ways, or no class at all."""
    for level, names in zip(own.tree.levels, own.tree.names, strict=True):
        alike: dict[str, list[str]] = defaultdict(list)
        for name in names:
            alike["".join(name.casefold().split()).replace("_", "").replace("-", "")].append(name)
        for group in alike.values():
            if len(group) > 1:
                yield f"{level}: {' and '.join(map(repr, group))} differ in case, spaces or dashes alone"
            elif is_picture_name(group[0]):
                yield f"{level}: {group[0]!r} is a class called like an image file"
            elif group[0] != group[0].strip():
                yield f"{level}: {group[0]!r} begins or ends with a space"


def _plan(own: OwnImages, config: DataConfig) -> Iterator[str]:
    tree, sizes = own.tree, {part: len(places) for part, places in own.parts.items()}
    heads = ", ".join(f"{level} ({size})" for level, size in zip(tree.levels, tree.sizes, strict=True))
    yield f"a training gives every level a head: {heads}"
    yield f"it finds the images decoded in {own.pack.place} ({own.pack.pixels.nbytes / 1e6:,.1f} MB)"
    try:
        refuse_unreadable(own, config.unreadable_share, say=lambda words: None)
        refuse_unusable(own)
    except UserError as error:
        yield f"but it would refuse these images: {error}"
        return
    given = any(file.part == "test" for file in own.files)
    how = (
        "as they are set aside" if given else f"held out by data.test_share = {config.test_share:g}, alike in every run"
    )
    yield f"it trains on {sizes['train']:,} images at {config.image_px} x {config.image_px} pixels"
    yield f"it is measured on {sizes['test']:,} images, {how}"
    partly = int((own.labels[:, 0] < 0).sum())
    if partly:
        yield f"{partly:,} images are known only part of the way down: the heads below ignore them"
    counts = np.bincount(own.labels[own.parts["train"], 0][own.labels[own.parts["train"], 0] >= 0])
    counts = counts[counts > 0]
    if len(counts) and counts.max() > 3 * counts.min():
        yield (
            f"its largest {tree.levels[0]} has {counts.max() / counts.min():.0f} times the images of its smallest; "
            f"data.balance = {config.balance} (none, weights or sampling) "
        ).rstrip()


def _some(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"    {line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"    ... and {len(lines) - SHOWN:,} more"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
