"""The real release, checked against everything that is known about it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from treehead.data.cifar100 import check, find, read
from treehead.data.dataset import Dataset, channel_statistics, split
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.metrics.alarm import alarm, tree_test
from treehead.metrics.flat import confusion_matrix

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def place(cifar100_root: Path) -> Path:
    release = find(cifar100_root, named_by_environment=None, cache=cifar100_root)
    assert release is not None
    return release


@pytest.fixture(scope="module")
def dataset(place: Path) -> Dataset:
    return read(place, cifar100_tree())


def test_every_fact_holds(place: Path) -> None:
    output = "\n".join(check(place, cifar100_tree()))
    assert "train.bin: 153,700,000 bytes, 50,000 records, 500 images of every leaf" in output
    assert "test.bin: 30,740,000 bytes, 10,000 records, 100 images of every leaf" in output
    assert "all 50,000 superclass bytes agree" in output
    assert "all 10,000 superclass bytes agree" in output


def test_the_first_two_images(dataset: Dataset) -> None:
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
def test_sizes_of_the_splits(dataset: Dataset, kind: str, pool: str, sizes: tuple[int, int, int]) -> None:
    splits = split(dataset, kind, pool=pool)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == sizes
    for part in (splits.train, splits.validation, splits.test):
        assert len(set(np.bincount(part.labels[:, 0], minlength=100))) == 1


def test_a_poor_classifier_confuses_siblings_without_an_alarm(dataset: Dataset) -> None:
    """A linear discriminant of 8 x 8 pixels mistakes siblings for each other more often than other leaves."""
    train, test = (part.pixels.reshape(-1, 3, 8, 4, 8, 4).mean((3, 5)) / 255 for part in (dataset.train, dataset.test))
    train, test, labels = train.reshape(len(train), -1), test.reshape(len(test), -1), dataset.train.labels[:, 0]
    means = np.stack([train[labels == leaf].mean(axis=0) for leaf in range(100)])
    precision = np.linalg.inv(np.cov((train - means[labels]).T) + 1e-4 * np.eye(192))
    scores = test @ precision @ means.T - np.einsum("ki,ij,kj->k", means, precision, means) / 2
    counts = confusion_matrix(dataset.test.labels[:, 0], scores.argmax(axis=1), num_classes=100)
    test_of_true = tree_test(dataset.tree, counts)
    assert test_of_true is not None
    assert test_of_true.severity < 0.92 * test_of_true.random_mean
    assert alarm(dataset.tree, counts) is None
    by_position = tuple(leaf // 5 for leaf in range(100))
    scrambled = dataclasses.replace(dataset.tree, parents=(by_position, *dataset.tree.parents[1:]))
    assert alarm(scrambled, counts) is None  # it has learned too little to be judged by
    test_of_scrambled = tree_test(scrambled, counts)
    assert test_of_scrambled is not None
    assert test_of_scrambled.is_random
