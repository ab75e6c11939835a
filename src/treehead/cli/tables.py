"""Tables for the terminal: the layers of a network, the keys of a config."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from treehead.inputs import printable
from treehead.records.run import Network


def network_table(network: Network) -> Table:
    """Every layer of a network, with the totals."""
    table = Table("layer", "kind", "output", box=None)
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    for row in network["layers"]:
        shape = " x ".join(map(str, row["output"]))
        counts = (f"{count:,}" if count else "" for count in (row["parameters"], row["multiply_adds"]))
        table.add_row(Text(printable(row["name"])), row["kind"], shape, *counts)
    table.add_section()
    table.add_row("total", "", "", f"{network['parameters']:,}", f"{network['multiply_adds']:,}")
    return table


def key_table(rows: Iterable[tuple[str, str, str]]) -> Table:
    """Config keys with value and meaning."""
    table = Table("key", "value", "meaning", box=None, padding=(0, 2, 0, 0))
    for key, value, meaning in rows:
        table.add_row(Text(key, "bold"), Text(printable(value)), Text(meaning, "dim"))
    return table
