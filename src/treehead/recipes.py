"""Recipes: named configs with their expected results; and configs from command-line arguments."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from treehead.config import RunConfig, changed, read_config
from treehead.inputs import MOST_CONFIG, parsed_toml, read_text, shown, shown_path
from treehead.types import UserError


def cifar100() -> RunConfig:
    """Three heads on CIFAR-100: Adam, ReLU, official split, 50 epochs, the default network.

    Expect: fine 75.6, superclass 83.8, group 89.2 % (each head alone, mean of four seeds; 75.33 to 75.78 at the leaves)
    in 48 seconds on an H100 GPU, or 2.6 hours on two slow cores with AVX-512 BF16; at commit 6fcd8533. CutMix and SAM
    regularise; the last three epochs have no CutMix.
    """
    return changed(
        RunConfig(name="cifar100"),
        {
            "optimizer.learning_rate": 2.4e-2,
            "augment.cutmix": 0.5,
            "augment.cutmix_until": 0.94,
            "sam": {"radius": 0.015, "begin": 0.0},
        },
    )


def cifar100_fast() -> RunConfig:
    """As `cifar100` with 54 % of the arithmetic: progressive resizing, and SAM in the last twenty epochs only.

    Expect: fine 74.85, superclass 83.24, group 88.83 % (each head alone, one seed) in 48 minutes on two cores with
    AVX-512 BF16, by the code of commit 7ef4240d with this config.
    """
    return changed(
        cifar100(),
        {
            "name": "cifar100-fast",
            "augment.shrink": [{"until": 0.3, "pixels": 20}, {"until": 0.6, "pixels": 24}],
            "sam.begin": 0.6,
        },
    )


def cifar100_sprint() -> RunConfig:
    """Three heads on CIFAR-100 in about a twentieth of the arithmetic: a network and a schedule for eight epochs.

    Expect: fine 71.9, superclass 78.7, group 85.0 % (mean of two seeds, 71.72 and 72.01 % at the leaves) with 0.128
    PFLOP, by the code of commit 913d3204 with this config. A patch-whitening network with Muon; images of 20 and 24
    pixels in the first half.
    """
    return changed(
        RunConfig(name="cifar100-sprint"),
        {
            "network.whitening_px": 2,
            "network.stages": [
                {"width": 64, "residual_kernels": [1, 1]},
                {"width": 192, "middle": 128, "residual_kernels": [3, 1]},
                {"width": 384, "middle": 256, "kernel_size": 2},
            ],
            "network.activation": {"kind": "silu"},
            "network.pool": "mean_max",
            "network.init": "dirac",
            "network.head_init": 0.2,
            "loss.label_smoothing": 0.25,
            "loss.level_weights": [1.0, 0.1, 0.05],
            "optimizer": {"kind": "muon", "learning_rate": 0.06, "momentum": 0.85, "adam_learning_rate": 6e-3},
            "schedule.warmup": 0.25,
            "augment.crop_px": 2,
            "augment.alternating_flip": True,
            "augment.shrink": [{"until": 0.15, "pixels": 20}, {"until": 0.5, "pixels": 24}],
            "train.epochs": 8,
            "train.batch_size": 512,
        },
    )


def shapes() -> RunConfig:
    """The built-in shapes, for `make demo`: a small network, 12 epochs.

    Expect: fine 83.2, superclass 98.4, group 99.8 %, mean mistake severity 1.13 (one seed) at commit 2b16a5cb, in 45
    seconds on two cores with AVX-512 BF16 (timed at commit c54cce44, whose tree costs the same).
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


def folder() -> RunConfig:
    """Custom images of 64 pixels: the default network, grown for larger images; a smaller batch.

    The result depends on the images. `data.image_px` may be 32 to 224.
    """
    return changed(
        RunConfig(name="folder"),
        {
            "data.name": "folder",
            "network.grow": True,
            "network.dropout": 0.1,
            "train.epochs": 30,
            "train.batch_size": 64,
            "optimizer.learning_rate": 2e-3,
        },
    )


RECIPES: dict[str, Callable[[], RunConfig]] = {
    "cifar100": cifar100,
    "cifar100-fast": cifar100_fast,
    "cifar100-sprint": cifar100_sprint,
    "shapes": shapes,
    "folder": folder,
}


def recipe(name: str) -> RunConfig:
    """Return the config of a recipe.

    Args:
        name: `cifar100`, `cifar100-fast`, `cifar100-sprint`, `shapes` or `folder`.

    Returns:
        The config; `changed` gives a variant of it.

    Raises:
        UserError: There is no recipe of that name; the message names similar ones.
    """
    if name not in RECIPES:
        nearest = difflib.get_close_matches(name, RECIPES, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"the recipes are {', '.join(RECIPES)}"
        raise UserError(f"there is no recipe {shown(name)}; {hint}")
    return RECIPES[name]()


def config_of(arguments: Sequence[str], data: Path | None = None) -> RunConfig:
    """The config of `[RECIPE|FILE.toml] [key=value ...]`, on the custom images at `data` if given.

    Raises: UserError: no such recipe, file or key; a value out of range; nothing at `data`.
    """
    overrides = list(arguments)
    name = overrides.pop(0) if overrides and "=" not in overrides[0] else "folder" if data else "cifar100"
    if name.endswith(".toml"):
        try:
            base = read_config(read_text(Path(name), most=MOST_CONFIG))
        except OSError as error:
            raise UserError(f"cannot read {shown_path(name)}: {error.strerror}") from None
    else:
        base = recipe(name)
    return changed(base, custom_images(data) | changes_of(overrides))


def custom_images(data: Path | None) -> dict[str, object]:
    """The config keys for the custom images at `data`; none without it. Raises: UserError: nothing is at `data`."""
    if data is None:
        return {}
    if not data.exists():
        raise UserError(f"{shown_path(data)} does not exist; name a folder of images or a CSV or Parquet table")
    return {"data.name": "folder" if data.is_dir() else "manifest", "data.root": data.absolute()}


def changes_of(overrides: Sequence[str], *, only: tuple[str, ...] = ("",)) -> dict[str, object]:
    """`train.epochs=5` -> {"train.epochs": 5}; values are TOML, else text. Keys begin with one of `only`."""
    changes: dict[str, object] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not key.startswith(only):
            allowed = " and ".join(filter(None, (", ".join(only[:-1]), only[-1])))
            raise UserError(f"{shown_path(key)} cannot be changed by this command, only {allowed}")
        if not equals:
            raise UserError(f"{shown(override)} is not key=value; write for example train.epochs=10")
        try:
            changes[key] = parsed_toml(f"value = {value}")["value"]
        except ValueError:
            changes[key] = value
    return changes
