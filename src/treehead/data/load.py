"""The data set a config names, found, fetched or drawn."""

from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from treehead.config import DataConfig
from treehead.data import cifar100, fetch
from treehead.data.dataset import Dataset
from treehead.data.shapes import shapes
from treehead.hierarchy.cifar100 import cifar100_tree

VARIABLE = "TREEHEAD_DATA"


def cache_folder() -> Path:
    """Where fetched data sets are kept, by the platform's custom."""
    return Path(platformdirs.user_cache_dir("treehead"))


def find_cifar100(root: Path | None, *, environment: Mapping[str, str]) -> Path | None:
    """The release at `root`, in TREEHEAD_DATA or in the cache, in that order; None if nowhere."""
    return cifar100.find(root, named_by_environment=environment.get(VARIABLE), cache=cache_folder())


def load(
    config: DataConfig, *, environment: Mapping[str, str], say: Callable[[str], None], report: fetch.Report
) -> Dataset:
    """The data set; CIFAR-100 is fetched into the cache if it is nowhere, and `say` is told so.

    Raises: UserError: damaged or missing files, an unknown tree; RunError: it cannot be fetched.
    """
    if config.name == "shapes":
        return shapes()
    tree = cifar100_tree(config.tree)
    place = find_cifar100(config.root, environment=environment)
    if place is None:
        say(f"CIFAR-100 is not on this machine: fetching it into {cache_folder()} (169 MB)")
        place = fetch.fetch(cache_folder(), report=report)
    return cifar100.read(place, tree)
