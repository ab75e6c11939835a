"""Commands that look at a config before anything is trained."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from treehead.cli.words import Words, config_of


def summary(
    words: Words = None,
    data: Annotated[Path | None, typer.Option(help="Your images, for the size of the heads.")] = None,
) -> None:
    """Layers, shapes, trainable parameters, multiply-adds."""
    from rich.console import Console

    from treehead.cli.tables import network_table
    from treehead.data.load import shape_and_tree
    from treehead.run.runner import network_json
    from treehead.spec import build_spec

    config = config_of(words, data)
    shape, tree = shape_and_tree(config.data)
    network = network_json(build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes))
    Console(width=None if sys.stdout.isatty() else 110).print(network_table(network))


def config(words: Words = None) -> None:
    """Every key, its meaning, and its value here."""
    from rich.console import Console

    from treehead.cli.tables import key_table
    from treehead.config import described, written

    rows = ((key, written(value), meaning) for key, value, meaning in described(config_of(words)))
    Console(width=None if sys.stdout.isatty() else 150).print(key_table(rows))
