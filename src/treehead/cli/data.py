"""Commands about data sets: `treehead data get`, `check` and `show`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from treehead.cli.arguments import ConfigArguments, config_of, loader
from treehead.inputs import say
from treehead.types import UserError, UserErrors


def get(name: Annotated[str, typer.Argument(help="Only cifar100 can be downloaded.")] = "cifar100") -> None:
    """Download CIFAR-100 into the cache. An interrupted download is resumed."""
    from treehead.data import load
    from treehead.data.fetch import fetch
    from treehead.progress import progress_bar

    if name != "cifar100":
        raise UserError(f"cannot download {name!r}, only cifar100; shapes is drawn and needs no download")
    if place := load.find_cifar100(None, environment=os.environ):
        say(f"CIFAR-100 is already at {place}")
        return
    with progress_bar("CIFAR-100", unit="bytes") as progress:
        place = fetch(load.cache_folder(), on_progress=progress)
    say(f"CIFAR-100 is at {place}")


def check(
    root: Annotated[
        Path | None,
        typer.Argument(
            help="CIFAR-100, or a folder or manifest of custom images. Default: CIFAR-100 where train finds it."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[key=value ...]", help="Config overrides, as for train.")
    ] = None,
) -> None:
    """Check CIFAR-100 or custom images.

    The files of CIFAR-100 are verified completely. For custom images, this prints the number of images of every class,
    problems, and what a run would do with the images.
    """
    from treehead.data import cifar100, load
    from treehead.hierarchy.cifar100 import cifar100_tree

    if root is not None and not cifar100.is_release(root):
        return _check_custom(root, overrides or [])
    place = load.find_cifar100(root, environment=os.environ)
    if place is None:
        raise UserError("CIFAR-100 is not on this machine; download it with: treehead data get cifar100")
    for line in cifar100.check(place, cifar100_tree()):
        say(line)
    say(f"{place} is the complete, undamaged release")
    return None


def _check_custom(root: Path, overrides: list[str]) -> None:
    from treehead.data.custom import read_images
    from treehead.data.custom_check import check_lines
    from treehead.data.load import image_cache
    from treehead.progress import progress_bar

    config = config_of(overrides, root).data
    try:
        with progress_bar("images") as progress:
            images = read_images(config, cache=image_cache(config), log=say, on_progress=progress)
    except UserErrors as error:
        say(*(f"! {problem}" for problem in error.problems))
        raise UserError(f"{root} cannot be trained on: {len(error.problems):,} problems are listed above") from None
    for line in check_lines(images, config):
        say(line)


def show(
    arguments: ConfigArguments = None,
    out: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("samples.png"),
    columns: Annotated[int, typer.Option(min=1, max=40, help="Images per row.")] = 10,
) -> None:
    """Draw a contact sheet of training images as PNG. It has a row per superclass."""
    from treehead.data.contact_sheet import contact_sheet
    from treehead.runfiles import written_whole

    config = config_of(arguments)
    dataset = loader()(config.data)
    with written_whole(out) as temporary:
        contact_sheet(dataset.train, dataset.tree, columns=columns, seed=config.seed).save(temporary, "PNG")
    say(str(out))
