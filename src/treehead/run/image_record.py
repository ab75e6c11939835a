"""Which image is in which part of a run: kept in the run folder, and found again in a data set that has changed since.

An image is known by the digest of its content, a class by its path of names; neither by its place. So images and
classes may be renamed on disk, sorted anew or moved to another place, and what really changed can be told.
Axes: N images, L levels from the leaves up.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from treehead.data.dataset import Dataset, Images, Splits, content_digests
from treehead.hierarchy.sources import slashed
from treehead.hierarchy.tree import LabelTree
from treehead.inputs import composed
from treehead.runfiles import RunFolder, write_arrays
from treehead.types import Array, UserError

NO_CLASS = -2
"""The class id of an image whose class is not in the run's tree; -1 is an image whose class is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """The images of a run by content. Shapes, by part: digests: (N,) uint64; labels: (N, L), ids of the run's tree.

    Conventions: without the part `validation`, the test images are the validation images.
    """

    split: str
    digests: dict[str, Array]
    labels: dict[str, Array]

    @property
    def digest(self) -> str:
        """A digest of the whole record."""
        digest = hashlib.blake2b(self.split.encode(), digest_size=16)
        for part in sorted(self.digests):
            digest.update(part.encode())
            digest.update(self.digests[part].astype("<u8").tobytes())
            digest.update(self.labels[part].astype("<i4").tobytes())
        return digest.hexdigest()


def record_of(splits: Splits) -> ImageRecord:
    """The record of a new run."""
    parts = {"train": splits.train, "test": splits.test}
    if splits.validation is not splits.test:
        parts["validation"] = splits.validation
    if splits.calibration is not None:
        parts["calibration"] = splits.calibration
    return ImageRecord(
        splits.name,
        {part: content_digests(images) for part, images in parts.items()},
        {part: images.labels.astype(np.int32) for part, images in parts.items()},
    )


def write_record(folder: RunFolder, record: ImageRecord) -> None:
    """Write images.npz."""
    arrays: dict[str, Array] = {"split": np.array(record.split)}
    arrays |= {f"{part}_digests": digests for part, digests in record.digests.items()}
    arrays |= {f"{part}_labels": labels for part, labels in record.labels.items()}
    write_arrays(folder.images, arrays)


def read_record(folder: RunFolder, tree: LabelTree) -> ImageRecord | None:
    """images.npz; None in the folder of an earlier version, which kept none.

    Raises: UserError: the file is damaged or does not fit the tree.
    """
    if not folder.images.exists():
        return None
    arrays = folder.read_arrays(folder.images)
    parts = [part for part in ("train", "validation", "calibration", "test") if f"{part}_digests" in arrays]
    try:
        digests = {part: arrays[f"{part}_digests"] for part in parts}
        labels = {part: arrays[f"{part}_labels"] for part in parts}
        record = ImageRecord(str(arrays["split"]), digests, labels)
        if {"train", "test"} <= set(parts) and all(_fits(digests[part], labels[part], tree) for part in parts):
            return record
    except KeyError:
        pass
    raise UserError(f"{folder.images} is damaged or belongs to another label tree; restore it, or train again")


def _fits(digests: Array, labels: Array, tree: LabelTree) -> bool:
    shaped = digests.dtype == np.uint64 and digests.ndim == 1 and labels.shape == (len(digests), len(tree.levels))
    return shaped and labels.dtype.kind == "i" and bool((labels >= -1).all() and (labels < tree.sizes).all())


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """The images of a run, found again, with labels of the run's tree; and a sentence for each change since.

    lost: part -> number of its images that are not there any more; relabelled: part -> number whose label is another;
    only parts with such images.
    """

    splits: Splits
    notes: tuple[str, ...]
    lost: dict[str, int]
    relabelled: dict[str, int]


def restore(record: ImageRecord, tree: LabelTree, dataset: Dataset, *, where: str, take_new: bool = False) -> Restored:
    """The images of `record` among those of `dataset`, in the order of the record.

    Conventions: images that are gone are left out, and so are new ones, unless `take_new` adds those of known classes
        to the test images; both are told. Labels are those of `dataset`. `where` names the data in messages.
    Raises: UserError: other levels; a class of the run has another name; no test image is left.
    """
    now = _Present(dataset, tree, where)
    rows, lost, relabelled, notes = {}, {}, {}, []
    for part, digests in record.digests.items():
        found, places = now.find(digests, record.labels[part])
        now.refuse_renamed(record.labels[part][found], places)
        rows[part], lost[part] = places, int((~found).sum())
        relabelled[part] = int((now.labels[places] != record.labels[part][found]).any(axis=1).sum())
    if not len(rows["test"]):
        raise UserError(
            f"none of the {len(record.digests['test']):,} test images of this run is in {where}: those are other images"
        )
    notes += [_sentence(count, part, "no longer there and left out") for part, count in lost.items() if count]
    notes += [
        _sentence(count, part, "labelled otherwise than in training") for part, count in relabelled.items() if count
    ]
    added, more = now.new_images(record, take_new=take_new)
    if take_new:
        rows["test"] = np.concatenate([rows["test"], added])
    parts = {part: now.images(places) for part, places in rows.items()}
    validation = parts.get("validation", parts["test"])
    splits = Splits(record.split, parts["train"], validation, parts["test"], parts.get("calibration"))
    return Restored(splits, (*notes, *more), _positive(lost), _positive(relabelled))


class _Present:
    """All images of a data set as it is now, their labels as ids of the run's tree."""

    def __init__(self, dataset: Dataset, tree: LabelTree, where: str) -> None:
        self._dataset, self._tree, self._where = dataset, tree, where
        self._parts = [part for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
        self._own_labels = np.concatenate([part.labels for part in self._parts])
        self.digests = np.concatenate([content_digests(part) for part in self._parts])
        columns = zip(class_ids(dataset.tree, tree, where=where), self._own_labels.T, strict=True)
        self.labels = np.stack([np.where(ids < 0, -1, known[ids]) for known, ids in columns], axis=1)
        self._order = np.argsort(self.digests, kind="stable")

    def images(self, places: Array) -> Images:
        """The images at `places`, counted over all parts; without a copy where they are just one part."""
        start = 0
        pixels = np.empty((len(places), *self._parts[0].pixels.shape[1:]), np.uint8)
        for part in self._parts:
            if np.array_equal(places, np.arange(start, start + len(part))):
                return Images(part.pixels, self.labels[places], self.digests[places])
            here = (places >= start) & (places < start + len(part))
            pixels[here] = part.pixels[places[here] - start]
            start += len(part)
        return Images(pixels, self.labels[places], self.digests[places])

    def find(self, digests: Array, labels: Array) -> tuple[Array, Array]:
        """Whether each image is there, and the places of those that are; of copies, the one with the same label."""
        ordered = self.digests[self._order]
        first = np.searchsorted(ordered, digests)
        found = ordered[np.minimum(first, len(ordered) - 1)] == digests
        places = self._order[first[found]]
        for i in np.flatnonzero((self.labels[places] != labels[found]).any(axis=1)):
            copies = np.flatnonzero(self.digests == digests[found][i])
            same = copies[(self.labels[copies] == labels[found][i]).all(axis=1)]
            places[i] = same[0] if len(same) else places[i]
        return found, places

    def refuse_renamed(self, before: Array, places: Array) -> None:
        """Raises: UserError: images of a class of the run are now in a class that the run does not know."""
        moved = np.flatnonzero((self.labels[places] == NO_CLASS).any(axis=1))
        if not len(moved):
            return
        pairs = Counter((self._before(before[i]), self._now(places[i])) for i in moved)
        (old, new), count = pairs.most_common(1)[0]
        raise UserError(
            f"{count:,} image{'s' if count > 1 else ''} of the class {old} of this run {'are' if count > 1 else 'is'} "
            f"in {new} of {self._where} now, a class that the run does not have; give the class its old name, or train "
            "again"
        )

    def _before(self, label: Array) -> str:
        return _written(self._tree, label)

    def _now(self, place: int) -> str:
        return _written(self._dataset.tree, self._own_labels[place])

    def new_images(self, record: ImageRecord, *, take_new: bool) -> tuple[Array, list[str]]:
        """The places of new images of known classes, and a sentence about all new ones."""
        known = np.concatenate(list(record.digests.values()))
        new = np.flatnonzero(~np.isin(self.digests, known))
        foreign = (self.labels[new] == NO_CLASS).any(axis=1)
        usable = new[~foreign]
        fate = "taken as test images" if take_new else "left out; --new takes them as test images"
        notes = [_sentence(len(usable), "", f"new since the training and {fate}")] if len(usable) else []
        if foreign.any():
            classes = sorted({self._now(place) for place in new[foreign]})
            names = ", ".join(classes[:3]) + (f" and {len(classes) - 3:,} more" if len(classes) > 3 else "")
            notes.append(
                _sentence(int(foreign.sum()), "", f"in classes that the run does not have ({names}): left out")
            )
        return usable, notes


def class_ids(now: LabelTree, tree: LabelTree, *, where: str) -> Iterator[Array]:
    """For each level the id in `tree` of every class of `now`, matched by its path of names; `NO_CLASS` without one.

    Raises: UserError: the trees have a different number of levels.
    """
    if len(now.levels) != len(tree.levels):
        raise UserError(
            f"{where} has the levels {', '.join(now.levels)}, but this run was trained on {', '.join(tree.levels)}: "
            "classes were put below or above others; restore them, or train again"
        )
    present, trained = _paths(now), _paths(tree)
    for paths, others in zip(present, trained, strict=True):
        id_of = {path: number for number, path in enumerate(others)}
        yield np.array([id_of.get(path, NO_CLASS) for path in paths], np.int64)


def _paths(tree: LabelTree) -> list[list[tuple[str, ...]]]:
    """The path of names of every class of every level, deepest name first, accents composed."""
    levels: list[list[tuple[str, ...]]] = [[(composed(name),) for name in tree.names[-1]]]
    for names, parents in zip(reversed(tree.names[:-1]), reversed(tree.parents), strict=True):
        above = levels[0]
        levels.insert(0, [(composed(name), *above[parent]) for name, parent in zip(names, parents, strict=True)])
    return levels


def _written(tree: LabelTree, label: Array) -> str:
    """A label as messages write it: animals/dog."""
    return slashed(tuple(dict.fromkeys(names[i] for names, i in zip(tree.names, label, strict=True) if i >= 0)))


def _positive(counts: dict[str, int]) -> dict[str, int]:
    return {part: count for part, count in counts.items() if count}


def _sentence(count: int, part: str, fate: str) -> str:
    noun = f"{part} image" if part else "image"
    return f"{count:,} {noun}{'s are' if count > 1 else ' is'} {fate}"
