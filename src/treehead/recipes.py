"""Named, complete configs, each with the result it is known to give."""

import difflib
from collections.abc import Callable

from treehead.config import RunConfig, changed
from treehead.types import UserError


def cifar100() -> RunConfig:
    """Three heads on CIFAR-100: Adam, ReLU, official split, 50 epochs, the default network."""
    return changed(RunConfig(name="cifar100"), {"optimizer.learning_rate": 6e-3})


RECIPES: dict[str, Callable[[], RunConfig]] = {"cifar100": cifar100}


def recipe(name: str) -> RunConfig:
    """The config of a recipe.

    Raises: UserError: there is none of that name; the message names the nearest.
    """
    if name not in RECIPES:
        nearest = difflib.get_close_matches(name, RECIPES, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"there are {', '.join(RECIPES)}"
        raise UserError(f"there is no recipe {name!r}; {hint}")
    return RECIPES[name]()
