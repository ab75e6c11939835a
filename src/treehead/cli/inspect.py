"""Commands that show a config, and the network it describes, without training."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from treehead.cli.arguments import ConfigArguments, config_of, loader

if TYPE_CHECKING:
    from treehead.config import RunConfig
    from treehead.spec import NetSpec


def summary(
    arguments: ConfigArguments = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Custom images, which decide the number of classes.")
    ] = None,
    work: Annotated[
        bool, typer.Option("--work", help="Also print the arithmetic of the whole training, in PFLOP.")
    ] = False,
) -> None:
    """Print the layers of a network and their sizes."""
    from rich.console import Console

    from treehead.cli.tables import network_table
    from treehead.data.load import shape_and_tree
    from treehead.run.runner import network_json
    from treehead.spec import build_spec

    config = config_of(arguments, data)
    shape, tree = shape_and_tree(config.data)
    spec = build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes)
    Console(width=None if sys.stdout.isatty() else 110).print(network_table(network_json(spec)))
    if work:
        print(_work_line(config, spec))


def _work_line(config: "RunConfig", spec: "NetSpec") -> str:
    """The training arithmetic of a config in a sentence."""
    from treehead.data.load import num_training_images
    from treehead.training.work import training_work

    num_images = num_training_images(config.data, loader(), seed=config.seed)
    work = training_work(config, spec, num_images=num_images)
    return (
        f"training: {work:.3g} PFLOP in convolutions and linear layers, for {config.train.epochs} epochs of "
        f"{num_images:,} images"
    )


def config(arguments: ConfigArguments = None) -> None:
    """Print every config key, its value and its meaning."""
    from rich.console import Console

    from treehead.cli.tables import key_table
    from treehead.config import described, written

    rows = ((key, written(value), meaning) for key, value, meaning in described(config_of(arguments)))
    Console(width=None if sys.stdout.isatty() else 150).print(key_table(rows))
