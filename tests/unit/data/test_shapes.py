"""The built-in data set: its tree, its seed, and that colour and brightness do not reveal the class."""

import numpy as np
import pytest

from treehead.data.dataset import Dataset
from treehead.data.shapes import shapes, shapes_tree


@pytest.fixture(scope="module")
def drawn() -> Dataset:
    return shapes(train_per_leaf=40, test_per_leaf=10)


def test_the_tree_has_three_levels_and_24_leaves() -> None:
    tree = shapes_tree()
    assert tree.levels == ("fine", "superclass", "group")
    assert tree.sizes == (24, 4, 2)
    assert tree.path_names(tree.names[0].index("striped_star")) == ("striped_star", "striped", "patterned")


def test_every_leaf_has_its_images(drawn: Dataset) -> None:
    for images, per_leaf in ((drawn.train, 40), (drawn.test, 10)):
        assert images.pixels.shape == (24 * per_leaf, 3, 32, 32)
        assert images.pixels.dtype == np.uint8
        assert images.labels.dtype == np.int64
        assert np.bincount(images.labels[:, 0]).tolist() == [per_leaf] * 24
        np.testing.assert_array_equal(images.labels, drawn.tree.label_paths(images.labels[:, 0]))


def test_the_seed_determines_every_pixel() -> None:
    first, again, other = (shapes(train_per_leaf=2, test_per_leaf=1, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.pixels, again.train.pixels)
    np.testing.assert_array_equal(first.test.pixels, again.test.pixels)
    assert (first.train.pixels != other.train.pixels).any(axis=(1, 2, 3)).all()


def test_no_image_is_drawn_twice(drawn: Dataset) -> None:
    everything = np.concatenate([drawn.train.pixels, drawn.test.pixels])
    assert len(np.unique(everything.reshape(len(everything), -1), axis=0)) == len(everything)


def test_the_mean_colour_does_not_reveal_the_leaf(drawn: Dataset) -> None:
    """The nearest class mean in colour space is right about as often as a random guess, 1 in 24."""
    train, test = (images.pixels.mean(axis=(2, 3)) for images in (drawn.train, drawn.test))
    centres = np.stack([train[drawn.train.labels[:, 0] == leaf].mean(axis=0) for leaf in range(24)])
    nearest = ((test[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == drawn.test.labels[:, 0]).mean() < 3 / 24


def test_the_images_use_the_range_of_a_byte_with_few_clipped_pixels(drawn: Dataset) -> None:
    pixels = drawn.train.pixels
    assert 90 < pixels.mean() < 165
    assert pixels.std() > 40
    assert ((pixels == 0) | (pixels == 255)).mean() < 0.1
