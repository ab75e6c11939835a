"""The arithmetic of a training, counted by hand."""

import numpy as np
import pytest

from treehead.config import DataConfig, NetworkConfig, RunConfig, StageConfig, changed
from treehead.data.dataset import Dataset, Images, split
from treehead.data.load import num_training_images
from treehead.data.shapes import shapes
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.recipes import recipe
from treehead.spec import NetSpec, build_spec, num_training_multiply_adds
from treehead.training.work import training_work

PLAIN = changed(
    RunConfig(), {"train.epochs": 4, "train.batch_size": 10, "network.stages": [{"width": 4, "residuals": 0}]}
)


def spec_of(network: NetworkConfig, size: int = 8) -> NetSpec:
    return build_spec(network, input_shape=(3, size, size), levels=("fine", "group"), sizes=(5, 2))


def test_a_plain_network_is_computed_three_times_but_for_the_gradient_of_its_images() -> None:
    convolution, heads = 64 * 4 * 3 * 9, 4 * 5 + 4 * 2
    assert num_training_multiply_adds(spec_of(PLAIN.network)) == 2 * convolution + 3 * heads


def test_a_frozen_convolution_is_computed_once_and_the_next_has_no_input_gradient() -> None:
    network = NetworkConfig(whitening_px=2, stages=(StageConfig(width=4, residuals=0),))
    whitening, convolution, heads = 49 * 24 * 3 * 4, 49 * 4 * 24 * 9, 4 * 5 + 4 * 2
    assert num_training_multiply_adds(spec_of(network)) == whitening + 2 * convolution + 3 * heads


def test_every_image_size_every_second_pass_and_whole_batches_are_counted() -> None:
    """Of 27 images 20 are trained on in an epoch; the convolution's work follows the area, the heads' does not."""
    config = changed(PLAIN, {"augment.shrink": [{"until": 0.5, "pixels": 4}], "sam": {"radius": 0.1, "begin": 0.75}})
    small, whole = (2 * size**2 * 4 * 3 * 9 + 3 * 28 for size in (4, 8))
    expected = 2 * 20 * (2 * small + whole + 2 * whole)
    assert training_work(config, spec_of(config.network), num_images=27) == pytest.approx(expected / 1e15)
    few = changed(config, {"train.batch_size": 100})
    assert training_work(few, spec_of(few.network), num_images=27) == pytest.approx(expected / 20 * 27 / 1e15)


def test_the_work_of_the_recipes() -> None:
    """By hand, the default network: 96.2 million multiply-adds, two of three passes where its images would be next."""
    levels = {"levels": ("fine", "superclass", "group"), "sizes": (100, 20, 8)}
    works = {}
    for name in ("cifar100", "cifar100-fast", "cifar100-sprint"):
        config = recipe(name)
        spec = build_spec(config.network, input_shape=(3, 32, 32), **levels)
        works[name] = training_work(config, spec, num_images=50_000)
    assert works["cifar100"] == pytest.approx(2 * 49_920 * 50 * 2 * (3 * 96_247_808 - 1024 * 24 * 27) / 1e15)
    assert 1.5 < works["cifar100-fast"] < 1.6
    assert works["cifar100-sprint"] <= 0.13


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 50_000),
        ({"data.split": "90:10"}, 45_000),
        ({"data.split": "73:27", "data.pool": "all"}, 43_800),
        ({"data.name": "shapes"}, 24 * 30),
        ({"data.name": "shapes", "data.split": "80:20"}, 24 * 24),
    ],
)
def test_the_number_of_training_images_is_that_of_the_split(changes: dict[str, object], expected: int) -> None:
    config = changed(RunConfig(), changes)

    def draw(data: DataConfig) -> Dataset:
        assert data.name == "shapes", "CIFAR-100 is not read"
        return shapes(train_per_leaf=30, test_per_leaf=1)

    assert num_training_images(config.data, draw, seed=0) == expected


def test_cifar100_has_as_many_training_images_as_a_split_of_it() -> None:
    """The number that is given without reading it is that of a data set of 500 and 100 images a class."""
    tree, data = cifar100_tree(), RunConfig().data.model_copy(update={"split": "73:27", "pool": "all"})
    train, test = (
        Images(np.zeros((100 * per_leaf, 3, 1, 1), np.uint8), tree.label_paths(np.arange(100 * per_leaf) % 100))
        for per_leaf in (500, 100)
    )
    splits = split(Dataset("made", tree, train, test), data.split, pool=data.pool)
    assert num_training_images(data, lambda _: Dataset("made", tree, train, test), seed=0) == len(splits.train)
