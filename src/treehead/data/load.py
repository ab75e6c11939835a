"""Load the data set that a config names: from files, from the cache, from a download, or drawn."""

from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from treehead.config import DataConfig
from treehead.data import cifar100, fetch
from treehead.data.custom import list_images, read_custom
from treehead.data.dataset import Dataset, split
from treehead.data.shapes import SIDE, shapes, shapes_tree
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.hierarchy.tree import LabelTree
from treehead.types import OnProgress, UserError

VARIABLE = "TREEHEAD_DATA"
"""The environment variable that says where CIFAR-100 is."""


def cache_folder() -> Path:
    """The folder for downloaded data sets, in the platform's cache directory."""
    return Path(platformdirs.user_cache_dir("treehead"))


def image_cache(config: DataConfig) -> Path:
    """The folder for the resized pixels of custom images."""
    return config.cache or cache_folder() / "images"


def image_shape(config: DataConfig) -> tuple[int, int, int]:
    """The shape (C, H, W) of the images, without reading them."""
    _refuse_arrays(config)
    side = config.image_px if is_custom(config) else SIDE if config.name == "shapes" else 32
    return 3, side, side


def shape_and_tree(config: DataConfig) -> tuple[tuple[int, int, int], LabelTree]:
    """The shape (C, H, W) of the images and their label tree, without reading an image."""
    shape = image_shape(config)
    if is_custom(config):
        return shape, list_images(config).tree_and_labels()[0]
    return shape, shapes_tree() if config.name == "shapes" else cifar100_tree(config.tree)


def num_training_images(config: DataConfig, read: Callable[[DataConfig], Dataset], *, seed: int) -> int:
    """Number of training images; the images are only read if they are not CIFAR-100's."""
    if config.name == "cifar100":
        per_leaf, share = (600 if config.pool == "all" else 500), config.split.split(":")[0]
        return 100 * (per_leaf if config.split == "official" else round(per_leaf * int(share) / 100))
    return len(split(read(config), config.split, pool=config.pool, seed=seed).train)


def is_custom(config: DataConfig) -> bool:
    """Whether the images are custom images: a folder of folders, or a manifest."""
    return config.name in ("folder", "manifest")


def find_cifar100(root: Path | None, *, environment: Mapping[str, str]) -> Path | None:
    """The release at `root`, in TREEHEAD_DATA or in the cache, in this order; None if it is in none of them."""
    return cifar100.find(root, named_by_environment=environment.get(VARIABLE), cache=cache_folder())


def load(
    config: DataConfig,
    *,
    environment: Mapping[str, str],
    log: Callable[[str], None],
    on_progress: OnProgress,
) -> Dataset:
    """Load the data set; CIFAR-100 is downloaded and custom images are cached if necessary, and `log` says so.

    Conventions: `on_progress` gets the bytes of a download, or the number of images read.
    Raises: UserError: damaged or missing files, an unknown tree; RunError: the download failed.
    """
    _refuse_arrays(config)
    if is_custom(config):
        return read_custom(config, cache=image_cache(config), log=log, on_progress=on_progress)
    if config.name == "shapes":
        return shapes()
    tree = cifar100_tree(config.tree)
    place = find_cifar100(config.root, environment=environment)
    if place is None:
        log(f"downloading CIFAR-100 (169 MB) into {cache_folder()}")
        place = fetch.fetch(cache_folder(), on_progress=on_progress)
    return cifar100.read(place, tree)


def _refuse_arrays(config: DataConfig) -> None:
    if config.name == "arrays":
        raise UserError("data.name = 'arrays': the images were arrays of the Python program that trained on them")
