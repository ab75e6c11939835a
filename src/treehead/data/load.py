"""The data set a config names, found, fetched or drawn."""

from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from treehead.config import DataConfig
from treehead.data import cifar100, fetch
from treehead.data.dataset import Dataset
from treehead.data.own import listing_of, read_own
from treehead.data.shapes import SIDE, shapes, shapes_tree
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.hierarchy.tree import LabelTree
from treehead.types import UserError

VARIABLE = "TREEHEAD_DATA"


def cache_folder() -> Path:
    """Where fetched data sets are kept, by the platform's custom."""
    return Path(platformdirs.user_cache_dir("treehead"))


def pictures_cache(config: DataConfig) -> Path:
    """Where the user's images are kept decoded."""
    return config.cache or cache_folder() / "pictures"


def image_shape(config: DataConfig) -> tuple[int, int, int]:
    """The shape (C, H, W) of its images, known without looking for them."""
    _refuse_arrays(config)
    side = config.image_px if is_own(config) else SIDE if config.name == "shapes" else 32
    return 3, side, side


def shape_and_tree(config: DataConfig) -> tuple[tuple[int, int, int], LabelTree]:
    """The shape (C, H, W) of its images and its tree, known without reading an image."""
    shape = image_shape(config)
    if is_own(config):
        return shape, listing_of(config).tree_and_labels()[0]
    return shape, shapes_tree() if config.name == "shapes" else cifar100_tree(config.tree)


def is_own(config: DataConfig) -> bool:
    """Whether the images are the user's: a folder of folders, or a manifest."""
    return config.name in ("folder", "manifest")


def find_cifar100(root: Path | None, *, environment: Mapping[str, str]) -> Path | None:
    """The release at `root`, in TREEHEAD_DATA or in the cache, in that order; None if nowhere."""
    return cifar100.find(root, named_by_environment=environment.get(VARIABLE), cache=cache_folder())


def load(
    config: DataConfig, *, environment: Mapping[str, str], say: Callable[[str], None], report: fetch.Report
) -> Dataset:
    """The data set; what is missing is fetched or decoded into the cache, and `say` is told so.

    Conventions: `report` is told (done, in all): bytes of a download, or images decoded.
    Raises: UserError: damaged or missing files, an unknown tree; RunError: it cannot be fetched.
    """
    _refuse_arrays(config)
    if is_own(config):
        return read_own(config, cache=pictures_cache(config), say=say, report=report)
    if config.name == "shapes":
        return shapes()
    tree = cifar100_tree(config.tree)
    place = find_cifar100(config.root, environment=environment)
    if place is None:
        say(f"CIFAR-100 is not on this machine: fetching it into {cache_folder()} (169 MB)")
        place = fetch.fetch(cache_folder(), report=report)
    return cifar100.read(place, tree)


def _refuse_arrays(config: DataConfig) -> None:
    if config.name == "arrays":
        raise UserError("data.name = 'arrays': its images were in the memory of the program that trained on them")
