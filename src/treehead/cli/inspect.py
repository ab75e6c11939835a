"""Commands that show a config, and the network it describes, without training."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from treehead.cli.arguments import ConfigArguments, config_of


def summary(
    arguments: ConfigArguments = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Custom images, which decide the number of classes.")
    ] = None,
) -> None:
    """Print the layers of a network and their sizes."""
    from rich.console import Console

    from treehead.cli.tables import network_table
    from treehead.data.load import shape_and_tree
    from treehead.run.runner import network_json
    from treehead.spec import build_spec

    config = config_of(arguments, data)
    shape, tree = shape_and_tree(config.data)
    network = network_json(build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes))
    Console(width=None if sys.stdout.isatty() else 110).print(network_table(network))


def config(arguments: ConfigArguments = None) -> None:
    """Print every config key, its value and its meaning."""
    from rich.console import Console

    from treehead.cli.tables import key_table
    from treehead.config import described, written

    rows = ((key, written(value), meaning) for key, value, meaning in described(config_of(arguments)))
    Console(width=None if sys.stdout.isatty() else 150).print(key_table(rows))
