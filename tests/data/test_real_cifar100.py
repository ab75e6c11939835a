"""The real release, held against everything that is known of it."""

from pathlib import Path

import numpy as np
import pytest

from treehead.data.cifar100 import check, find, read
from treehead.data.dataset import Dataset, channel_statistics, split
from treehead.hierarchy.cifar100 import cifar100_tree

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def place(cifar100_root: Path) -> Path:
    found = find(cifar100_root, named_by_environment=None, cache=cifar100_root)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def dataset(place: Path) -> Dataset:
    return read(place, cifar100_tree())


def test_every_fact_holds(place: Path) -> None:
    said = "\n".join(check(place, cifar100_tree()))
    assert "train.bin: 153,700,000 bytes, 50,000 records, 500 images of every leaf" in said
    assert "test.bin: 30,740,000 bytes, 10,000 records, 100 images of every leaf" in said
    assert "all 50,000 superclass bytes agree" in said
    assert "all 10,000 superclass bytes agree" in said


def test_the_first_images_are_the_known_ones(dataset: Dataset) -> None:
    names = [dataset.tree.path_names(leaf)[:2] for leaf in dataset.train.labels[:2, 0]]
    assert names == [("cattle", "large_omnivores_and_herbivores"), ("dinosaur", "reptiles")]
    assert dataset.train.pixels[0, :, 0, 0].tolist() == [255, 255, 255]


def test_statistics_of_the_training_images(dataset: Dataset) -> None:
    mean, std = channel_statistics(dataset.train.pixels)
    np.testing.assert_allclose(mean, [0.50707516, 0.48654887, 0.44091784], atol=1e-8)
    np.testing.assert_allclose(std, [0.26733429, 0.25643846, 0.27615047], atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "pool", "sizes"),
    [
        ("official", "train", (50_000, 10_000, 10_000)),
        ("80:20", "train", (40_000, 10_000, 10_000)),
        ("90:10", "train", (45_000, 5_000, 10_000)),
        ("80:20", "all", (48_000, 12_000, 12_000)),
        ("90:10", "all", (54_000, 6_000, 6_000)),
    ],
)
def test_splits_have_the_sizes_of_the_design(
    dataset: Dataset, kind: str, pool: str, sizes: tuple[int, int, int]
) -> None:
    splits = split(dataset, kind, pool=pool)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == sizes
    for part in (splits.train, splits.validation, splits.test):
        assert len(set(np.bincount(part.labels[:, 0], minlength=100))) == 1
