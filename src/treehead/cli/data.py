"""Commands about data sets: `treehead data get`, `check` and `show`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from treehead.cli.arguments import ConfigArguments, config_of, loader
from treehead.types import UserError


def get(name: Annotated[str, typer.Argument(help="cifar100")] = "cifar100") -> None:
    """Fetch CIFAR-100 into the cache; a broken download goes on where it stopped."""
    from treehead.data import load
    from treehead.data.fetch import fetch
    from treehead.progress import progress_bar

    if name != "cifar100":
        raise UserError(f"treehead fetches cifar100, not {name!r}; shapes is drawn, and needs no fetching")
    if place := load.find_cifar100(None, environment=os.environ):
        print(f"CIFAR-100 is already here: {place}")
        return
    with progress_bar("CIFAR-100", unit="bytes") as progress:
        place = fetch(load.cache_folder(), report=progress)
    print(f"CIFAR-100 is here: {place}")


def check(
    root: Annotated[Path | None, typer.Argument(help="CIFAR-100, or your own images; else found as usual.")] = None,
    words: Annotated[list[str] | None, typer.Argument(metavar="[key=value ...]", help="As for train.")] = None,
) -> None:
    """Verify CIFAR-100; or say what is in your own images, what looks wrong, and what training will do."""
    from treehead.data import cifar100, load
    from treehead.hierarchy.cifar100 import cifar100_tree

    if root is not None and not cifar100.is_release(root):
        return _check_own(root, words or [])
    place = load.find_cifar100(root, environment=os.environ)
    if place is None:
        raise UserError("CIFAR-100 is not on this machine; treehead data get cifar100 fetches it")
    for line in cifar100.check(place, cifar100_tree()):
        print(line)
    print(f"{place} is the release, whole and undamaged")
    return None


def _check_own(root: Path, words: list[str]) -> None:
    from treehead.data.inspection import findings
    from treehead.data.load import pictures_cache
    from treehead.data.own import examine
    from treehead.progress import progress_bar

    config = config_of(words, root).data
    with progress_bar("images") as progress:
        own = examine(config, cache=pictures_cache(config), say=print, report=progress)
    for line in findings(own, config):
        print(line)


def show(
    words: ConfigArguments = None,
    out: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("samples.png"),
    columns: Annotated[int, typer.Option(min=1, max=40, help="Images per row.")] = 10,
) -> None:
    """Draw a labelled sheet of training images as PNG."""
    from treehead.data.sheet import sheet
    from treehead.runfiles import written_whole

    config = config_of(words)
    dataset = loader()(config.data)
    with written_whole(out) as temporary:
        sheet(dataset.train, dataset.tree, columns=columns, seed=config.seed).save(temporary, "PNG")
    print(out)
