"""Named, complete configs, each with the result it is known to give."""

import difflib
from collections.abc import Callable

from treehead.config import RunConfig, changed
from treehead.types import UserError


def cifar100() -> RunConfig:
    """Three heads on CIFAR-100: Adam, ReLU, official split, 50 epochs, the default network.

    Expect: fine 70.67, superclass 80.25, group 87.48 % (one seed) in 83 minutes on two shared cores with AVX-512 BF16,
    at commit 9d085bb54c2d. It learns its training images by heart (98.2 %): more regularisation is open work.
    """
    return changed(
        RunConfig(name="cifar100"),
        {"train.batch_size": 128, "optimizer.learning_rate": 4e-3, "network.dropout": 0.1},
    )


def shapes() -> RunConfig:
    """The embedded shapes, for `make demo`: a small network, a few epochs.

    Expect: fine 86.3, superclass 86.8, group 90.5 % (one seed) in 45 seconds on two cores with AVX-512 BF16, at
    commit c54cce44.
    """
    return changed(
        RunConfig(name="shapes"),
        {
            "data.name": "shapes",
            "augment.crop_px": 2,
            "network.stages": [{"width": 32}, {"width": 64}, {"width": 96}],
            "train.epochs": 12,
            "train.batch_size": 64,
        },
    )


RECIPES: dict[str, Callable[[], RunConfig]] = {"cifar100": cifar100, "shapes": shapes}


def recipe(name: str) -> RunConfig:
    """The config of a recipe.

    Raises: UserError: there is none of that name; the message names the nearest.
    """
    if name not in RECIPES:
        nearest = difflib.get_close_matches(name, RECIPES, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"there are {', '.join(RECIPES)}"
        raise UserError(f"there is no recipe {name!r}; {hint}")
    return RECIPES[name]()
