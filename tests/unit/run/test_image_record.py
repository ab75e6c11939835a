"""The images of a run, found again by content: after a rename, a sort, a loss, an addition."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treehead.data.dataset import Dataset, Images, Splits
from treehead.hierarchy.tree import LabelTree
from treehead.run.image_record import ImageRecord, Restored, read_record, record_of, restore, write_record
from treehead.runfiles import RunFolder, write_arrays
from treehead.types import Array, UserError

PATHS = [("ant", "insect"), ("bee", "insect"), ("cow", "mammal")]


def tree(paths: list[tuple[str, ...]] = PATHS, levels: tuple[str, ...] = ("class", "group")) -> LabelTree:
    return LabelTree.from_paths("animals", levels, paths)


def images(tree: LabelTree, leaves: Array, first: int = 0) -> Images:
    """Image i has the pixel value first + i and the digest 1000 + first + i."""
    numbers = first + np.arange(len(leaves))
    pixels = np.broadcast_to(numbers.astype(np.uint8)[:, None, None, None], (len(leaves), 3, 2, 2)).copy()
    return Images(pixels, tree.label_paths(leaves), (1000 + numbers).astype(np.uint64))


TREE = tree()
TRAIN, TEST = images(TREE, np.arange(12) % 3), images(TREE, np.arange(6) % 3, first=50)
DATASET = Dataset("animals", TREE, TRAIN, TEST)
RECORD = record_of(Splits("official", TRAIN, TEST, TEST))


def restored(dataset: Dataset, *, take_new: bool = False) -> Restored:
    return restore(RECORD, TREE, dataset, where="photos", take_new=take_new)


def with_tree(paths: list[tuple[str, ...]], leaf_of: dict[int, int]) -> Dataset:
    """The same images under another tree; leaf_of: old leaf -> new leaf."""
    other = tree(paths)
    parts = []
    for part in (TRAIN, TEST):
        leaves = np.array([leaf_of[leaf] for leaf in part.labels[:, 0]])
        parts.append(Images(part.pixels, other.label_paths(leaves), part.digests))
    return Dataset("animals", other, *parts)


def test_unchanged_images_are_the_same_without_a_note() -> None:
    found = restored(DATASET)
    assert (found.notes, found.lost, found.relabelled) == ((), {}, {})
    assert found.splits.validation is found.splits.test
    assert found.splits.train.pixels is TRAIN.pixels  # no copy
    np.testing.assert_array_equal(found.splits.test.labels, TEST.labels)


@given(st.permutations(range(18)), st.integers(1, 17))
def test_neither_order_nor_part_matters(order: list[int], cut: int) -> None:
    """All images in any order, divided anywhere between training and test."""
    every = Images(*(np.concatenate([getattr(part, name) for part in (TRAIN, TEST)]) for name in FIELDS))
    parts = [every.take(np.array(rows)) for rows in (order[:cut], order[cut:])]
    found = restored(Dataset("animals", TREE, *parts))
    assert found.notes == ()
    np.testing.assert_array_equal(found.splits.train.pixels, TRAIN.pixels)
    np.testing.assert_array_equal(found.splits.test.pixels, TEST.pixels)
    np.testing.assert_array_equal(found.splits.test.labels, TEST.labels)


FIELDS = ("pixels", "labels", "digests")


def test_classes_go_by_their_names_whatever_their_numbers() -> None:
    found = restored(with_tree([PATHS[2], PATHS[1], PATHS[0]], {0: 2, 1: 1, 2: 0}))
    assert found.notes == ()
    np.testing.assert_array_equal(found.splits.train.labels, TRAIN.labels)


def test_a_renamed_class_is_refused_by_both_names() -> None:
    message = (
        "4 images of the class insect/ant of this run are in insect/zebra of photos now, a class that the run does"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        restored(with_tree([("zebra", "insect"), *PATHS[1:]], {0: 0, 1: 1, 2: 2}))


def test_a_renamed_group_is_refused() -> None:
    with pytest.raises(UserError, match="of the class mammal/cow of this run are in beast/cow of photos now"):
        restored(with_tree([*PATHS[:2], ("cow", "beast")], {0: 0, 1: 1, 2: 2}))


def test_another_number_of_levels_is_refused() -> None:
    flat = tree([("ant",), ("bee",), ("cow",)], ("class",))
    parts = [Images(part.pixels, flat.label_paths(part.labels[:, 0]), part.digests) for part in (TRAIN, TEST)]
    with pytest.raises(UserError, match="photos has the levels class, but this run was trained on class, group"):
        restored(Dataset("animals", flat, *parts))


def test_what_is_gone_new_or_relabelled_is_told() -> None:
    corrected = TEST.labels.copy()
    corrected[0] = TREE.label_paths(np.array([1]))[0]
    test = Images(TEST.pixels, corrected, TEST.digests).take(np.array([0, 1, 2, 4]))
    train = images(TREE, np.arange(14) % 3)
    found = restored(Dataset("animals", TREE, train, test))
    assert found.lost == {"test": 2}
    assert found.relabelled == {"test": 1}
    assert found.notes == (
        "2 test images are no longer there and left out",
        "1 test image is labelled otherwise than in training",
        "2 images are new since the training and left out; --new takes them as test images",
    )
    assert found.splits.test.labels.tolist() == corrected[[0, 1, 2, 4]].tolist()
    with_new = restored(Dataset("animals", TREE, train, test), take_new=True)
    assert with_new.splits.test.pixels[:, 0, 0, 0].tolist() == [50, 51, 52, 54, 12, 13]


def test_new_images_of_a_new_class_are_never_taken() -> None:
    other = tree([*PATHS, ("dog", "mammal")])
    train = images(other, np.array([0, 1, 2] * 4 + [3, 3]))
    found = restored(Dataset("animals", other, train, images(other, np.arange(6) % 3, first=50)), take_new=True)
    assert found.notes == ("2 images are in classes that the run does not have (mammal/dog): left out",)
    assert len(found.splits.test) == 6


def test_other_images_altogether_are_refused() -> None:
    strangers = Dataset(
        "animals", TREE, images(TREE, np.arange(12) % 3, first=100), images(TREE, np.arange(6) % 3, 200)
    )
    with pytest.raises(UserError, match="none of the 6 test images of this run is in photos: those are other images"):
        restored(strangers)


def test_of_copies_with_several_labels_the_one_of_the_run_is_taken() -> None:
    copy = Images(TEST.pixels[:1], TREE.label_paths(np.array([2])), TEST.digests[:1])  # pyright: ignore[reportOptionalSubscript]
    train = Images(*(np.concatenate([getattr(part, name) for part in (TRAIN, copy)]) for name in FIELDS))
    found = restored(Dataset("animals", TREE, train, TEST))
    assert found.notes == ()
    np.testing.assert_array_equal(found.splits.test.labels, TEST.labels)


def test_images_without_files_are_known_by_their_pixels() -> None:
    train, test = (Images(part.pixels, part.labels) for part in (TRAIN, TEST))
    record = record_of(Splits("official", train, test, test))
    found = restore(record, TREE, Dataset("animals", TREE, train.take(np.arange(12)[::-1]), test), where="photos")
    np.testing.assert_array_equal(found.splits.train.pixels, TRAIN.pixels)


def test_the_file_gives_the_record_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert read_record(folder, TREE) is None
    record = record_of(Splits("80:20", TRAIN, TEST.take(np.arange(2)), TEST.take(np.arange(2, 6))))
    write_record(folder, record)
    again = read_record(folder, TREE)
    assert again is not None
    assert (again.split, again.digest) == ("80:20", record.digest)
    assert set(again.digests) == {"train", "validation", "test"}
    changed = ImageRecord("80:20", record.digests, record.labels | {"test": record.labels["test"][::-1]})
    assert changed.digest != record.digest


@pytest.mark.parametrize("change", ["missing", "shape", "class", "type"])
def test_a_damaged_record_is_refused(tmp_path: Path, change: str) -> None:
    folder = RunFolder(tmp_path)
    write_record(folder, RECORD)
    arrays = folder.read_arrays(folder.images)
    if change == "missing":
        del arrays["test_labels"]
    elif change == "shape":
        arrays["test_labels"] = arrays["test_labels"][:, :1]
    elif change == "class":
        arrays["test_labels"] = arrays["test_labels"] + 3
    else:
        arrays["test_digests"] = arrays["test_digests"].astype(np.float64)
    write_arrays(folder.images, arrays)
    with pytest.raises(UserError, match=r"images\.npz is damaged or belongs to another label tree"):
        read_record(folder, TREE)
