"""One's own images as a data set: listed, decoded, divided.

Axes: N images, L levels.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from treehead.config import DataConfig
from treehead.data.dataset import Dataset, Images, deepest_known
from treehead.data.folder import list_folder
from treehead.data.listing import Listed, Listing
from treehead.data.manifest import list_manifest
from treehead.data.packing import Pack, pack
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

TEST_SEED = 0
"""Of the images that are held out for the test: the same ones in every run, whatever its seed."""
SHOWN = 20
"""At most so many unreadable files are named one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnImages:
    """Listed, decoded and divided.

    Shapes: labels: (N, L), of every readable image, -1 where not known; parts: name -> places among these images.
    """

    listing: Listing
    tree: LabelTree
    pack: Pack
    files: tuple[Listed, ...]
    labels: Array
    parts: dict[str, Array]


def listing_of(config: DataConfig) -> Listing:
    """What `data.root` lists, no image decoded. Raises: UserError: as `list_folder` and `list_manifest`."""
    if config.root is None:
        raise UserError(f"data.name = {config.name!r} needs data.root; treehead train --data photos/ sets both")
    read = list_manifest if config.name == "manifest" else list_folder
    return read(config.root, config.levels)


def read_own(
    config: DataConfig, *, cache: Path, say: Callable[[str], None], report: Callable[[int, int | None], None]
) -> Dataset:
    """The data set at `data.root`; what was passed over or looks wrong is said, a sentence each.

    Raises: UserError: nothing to train on, more unreadable images than data.unreadable_share, a class without images.
    """
    own = examine(config, cache=cache, say=say, report=report)
    for remark in own.listing.remarks:
        say(remark)
    refuse_unreadable(own, config.unreadable_share, say)
    refuse_unusable(own)
    for remark in shared_contents(own):
        say(remark)
    images = {part: Images(own.pack.pixels[places], own.labels[places]) for part, places in own.parts.items()}
    return Dataset(own.listing.name, own.tree, images["train"], images["test"], images.get("validation"))


def examine(
    config: DataConfig, *, cache: Path, say: Callable[[str], None], report: Callable[[int, int | None], None]
) -> OwnImages:
    """List, decode and divide, and judge nothing yet."""
    listing = listing_of(config)
    tree, labels = listing.tree_and_labels()
    paths = [file.path for file in listing.files]
    packed = pack(paths, source=listing.root, image_px=config.image_px, cache=cache, say=say, report=report)
    files, labels = tuple(listing.files[row] for row in packed.rows), labels[packed.rows]
    parts = divide(files, labels, packed.digests, test_share=config.test_share)
    return OwnImages(listing, tree, packed, files, labels, parts)


def divide(files: Sequence[Listed], labels: Array, digests: Sequence[str], *, test_share: float) -> dict[str, Array]:
    """Places of the images of each part: train, test, and validation where it was given.

    Conventions: given parts are kept. Where no image is given to the test, `test_share` of the training images of every
        deepest known class are, at random with TEST_SEED; of two different images at least one, of one none. Images of
        the same content stay together.
    """
    given = np.array([file.part or "train" for file in files], dtype=object)
    places = {part: np.flatnonzero(given == part) for part in ("train", "validation", "test")}
    if not len(places["test"]):
        held_out = _held_out(places["train"], deepest_known(labels), digests, test_share)
        places["test"], places["train"] = held_out, np.setdiff1d(places["train"], held_out)
    if not len(places["validation"]):
        del places["validation"]
    return places


def _held_out(candidates: Array, strata: Array, digests: Sequence[str], share: float) -> Array:
    same: dict[str, list[int]] = defaultdict(list)
    for place in map(int, candidates):
        same[digests[place]].append(place)
    groups = list(same.values())
    first = np.array([strata[members[0]] for members in groups], np.int64)
    rng = np.random.default_rng(TEST_SEED)
    chosen: list[int] = []
    for stratum in np.unique(first):
        members = rng.permutation(np.flatnonzero(first == stratum))
        count = min(max(round(len(members) * share), 1), len(members) - 1)
        chosen += [place for group in members[:count] for place in groups[group]]
    return np.sort(np.array(chosen, np.int64))


def refuse_unreadable(own: OwnImages, share: float, say: Callable[[str], None]) -> None:
    """Say which files cannot be read. Raises: UserError: they are more than `share` of all."""
    bad, total = own.pack.unreadable, len(own.listing.files)
    if not bad:
        return
    for reason in list(bad.values())[:SHOWN]:
        say(f"unreadable: {reason}")
    if len(bad) > SHOWN:
        say(f"... and {len(bad) - SHOWN:,} more")
    if len(bad) > share * total:
        raise UserError(
            f"{len(bad):,} of {total:,} images of {own.listing.root} cannot be read, more than data.unreadable_share = "
            f"{share:g} allows; the first: {next(iter(bad.values()))}"
        )
    say(f"{len(bad):,} of {total:,} images cannot be read and {'is' if len(bad) == 1 else 'are'} left out")


def refuse_unusable(own: OwnImages) -> None:
    """Raises: UserError: a leaf nothing is learned of, a level without test images."""
    root, train, test = own.listing.root, own.parts["train"], own.parts["test"]
    counts = np.bincount(own.labels[train, 0][own.labels[train, 0] >= 0], minlength=own.tree.num_leaves)
    for leaf in np.flatnonzero(counts == 0):
        place = "/".join(dict.fromkeys(own.tree.path_names(int(leaf))[::-1]))
        raise UserError(f"class {place} of {root} has no readable image to train on; add some, or leave it out")
    for level, name in enumerate(own.tree.levels):
        if not (own.labels[test, level] >= 0).any():
            raise UserError(
                f"{root} has no test image whose {name} is known; with two images of a class and more, one is held out "
                "for the test"
            )


def shared_contents(own: OwnImages) -> list[str]:
    """Sentences on images of the same content under two labels, or in two parts."""
    part_of = np.empty(len(own.files), dtype=object)
    for part, places in own.parts.items():
        part_of[places] = part
    same: dict[str, list[int]] = defaultdict(list)
    for place, digest in enumerate(own.pack.digests):
        same[digest].append(place)
    groups = [places for places in same.values() if len(places) > 1]
    two_labels = [places for places in groups if len({own.files[place].label for place in places}) > 1]
    two_parts = [places for places in groups if len({part_of[place] for place in places}) > 1]
    remarks = []
    for found, what in (
        (two_labels, "under two labels: the network is taught both"),
        (two_parts, "in two parts of the split: test figures will flatter"),
    ):
        if found:
            first = " and ".join(str(own.files[place].path) for place in found[0][:2])
            images = "1 image stands" if len(found) == 1 else f"{len(found):,} images stand"
            remarks.append(f"{images} {what}, for example {first}")
    return remarks
