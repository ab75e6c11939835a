"""Splits and statistics, small enough to check by hand."""

import re

import numpy as np
import pytest

from treehead.data.dataset import Dataset, Images, channel_statistics, split
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

TREE = LabelTree.from_paths("pets", ("fine", "superclass"), [("cat", "mammal"), ("dog", "mammal"), ("carp", "fish")])


def images(per_leaf: list[int], *, first: int = 0) -> Images:
    """One pixel per image, with the number of the image as its value."""
    leaves = np.repeat(np.arange(3), per_leaf)
    pixels = np.arange(first, first + len(leaves), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Images(pixels, TREE.label_paths(leaves))


DATASET = Dataset("pets", TREE, images([10, 10, 20]), images([5, 5, 5], first=100))


def numbers(part: Images) -> Array:
    return part.pixels[:, 0, 0, 0]


def test_take_keeps_pixels_and_labels_together_and_copies() -> None:
    taken = DATASET.train.take(np.array([39, 0]))
    assert numbers(taken).tolist() == [39, 0]
    assert taken.labels.tolist() == [[2, 1], [0, 0]]
    taken.pixels[:] = 255
    assert numbers(DATASET.train)[[0, 39]].tolist() == [0, 39]


def test_official_trains_on_all_images_and_validates_on_the_test_images() -> None:
    splits = split(DATASET, "official")
    assert splits.name == "official"
    assert splits.train is DATASET.train
    assert splits.validation is splits.test is DATASET.test


def test_percentages_split_the_training_images_and_keep_the_test_images() -> None:
    splits = split(DATASET, "80:20")
    assert splits.name == "80:20"
    assert np.bincount(splits.train.labels[:, 0]).tolist() == [8, 8, 16]
    assert np.bincount(splits.validation.labels[:, 0]).tolist() == [2, 2, 4]
    assert splits.test is DATASET.test


def test_a_share_of_the_training_images_is_kept_for_calibration() -> None:
    splits = split(DATASET, "official", calibration=0.2)
    assert splits.held_out is splits.calibration
    assert splits.calibration is not None
    assert np.bincount(splits.calibration.labels[:, 0]).tolist() == [2, 2, 4]
    assert sorted([*numbers(splits.train), *numbers(splits.calibration)]) == list(range(40))
    assert splits.validation is splits.test is DATASET.test


def test_held_out_images_are_those_of_the_validation_where_it_is_not_the_test() -> None:
    assert split(DATASET, "official").held_out is None
    assert split(DATASET, "80:20", pool="all").held_out is None
    with_validation = split(DATASET, "80:20")
    assert with_validation.held_out is with_validation.validation
    both = split(DATASET, "80:20", calibration=0.25)
    assert both.held_out is both.calibration
    assert np.bincount(both.train.labels[:, 0]).tolist() == [6, 6, 12]


def test_images_from_files_are_kept_for_calibration_by_content() -> None:
    """Whatever their order, the same images are held out; and not those that the split held out."""
    digests = np.arange(40, dtype=np.uint64) * 7919
    order = np.random.default_rng(1).permutation(40)
    parts = []
    for rows in (np.arange(40), order):
        train = Images(DATASET.train.pixels[rows], DATASET.train.labels[rows], digests[rows])
        parts.append(split(Dataset("pets", TREE, train, DATASET.test), "official", calibration=0.2).held_out)
    first, second = (set(numbers(part).tolist()) for part in parts if part is not None)
    assert first == second
    assert len(first) == 8


@pytest.mark.parametrize(
    ("per_leaf", "share", "message"),
    [
        ([1, 10, 20], 0.6, "data.calibration = 0.6 leaves no training images of 'cat', which has 1"),
        ([2, 2, 2], 0.1, "data.calibration = 0.1 of 6 training images is none; use a larger share"),
    ],
)
def test_a_share_that_cannot_be_kept_is_an_error(per_leaf: list[int], share: float, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        split(Dataset("pets", TREE, images(per_leaf), DATASET.test), "official", calibration=share)


def test_pool_all_splits_every_image() -> None:
    splits = split(DATASET, "80:20", pool="all")
    assert splits.name == "80:20 of all"
    assert splits.validation is splits.test
    assert np.bincount(splits.train.labels[:, 0]).tolist() == [12, 12, 20]
    everything = np.concatenate([numbers(splits.train), numbers(splits.test)])
    assert sorted(everything) == [*range(40), *range(100, 115)]


@pytest.mark.parametrize(
    ("kind", "pool", "message"),
    [
        ("official", "all", "percentages in data.split, such as 80:20, not 'official'"),
        ("80:30", "train", "must sum to 100"),
        ("50:25:25", "train", "two percentages such as 80:20"),
        ("most", "train", "'official' or two percentages"),
        ("80:20", "some", "'train' or 'all'"),
        ("99:1", "train", "'cat' has 10 images, too few for both parts"),
        ("100:0", "train", "'cat' has 10 images, too few for both parts"),
    ],
)
def test_an_impossible_split_is_refused(kind: str, pool: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        split(DATASET, kind, pool=pool)


def test_a_leaf_without_images_is_named() -> None:
    without_dogs = Dataset("pets", TREE, images([10, 0, 10]), images([5, 5, 5]))
    with pytest.raises(UserError, match="'dog' has 0 images"):
        split(without_dogs, "80:20")


def test_channel_statistics_by_hand() -> None:
    pixels = np.zeros((2, 2, 1, 2), np.uint8)
    pixels[:, 0] = [0, 255]  # half black, half white
    pixels[:, 1] = 51  # a fifth of 255, everywhere
    mean, std = channel_statistics(pixels)
    np.testing.assert_allclose(mean, [0.5, 0.2], rtol=1e-15)
    np.testing.assert_allclose(std, [0.5, 0.0], atol=1e-15)


def test_channel_statistics_are_those_of_the_scaled_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2100, 3, 2, 2), np.uint8)  # more than one block of images
    mean, std = channel_statistics(pixels)
    np.testing.assert_allclose(mean, (pixels / 255).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, (pixels / 255).std(axis=(0, 2, 3)), rtol=1e-12)
