"""Arguments that several commands share, and what several commands do with them.

Packages that compute are imported inside functions, so that `treehead --help` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from treehead.inputs import say
from treehead.records.run import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from treehead.config import DataConfig, RunConfig
    from treehead.data.dataset import Dataset
    from treehead.run.runner import Loader, Run
    from treehead.training.loop import Callback

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

ConfigArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RECIPE|FILE.toml] [key=value ...]", help="A recipe or a config file, then overrides of its keys."
    ),
]
EngineOverrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[data.root=PATH] [engine.KEY=VALUE ...]", help="Overrides of the run's config."),
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def follow(root: Path, work: "Callable[[Loader, Callback], Run]") -> None:
    """Train with a progress display, then write the report; on Ctrl-C print the command that resumes the run."""
    from treehead.progress import watching
    from treehead.report import write_report

    try:
        with watching(str(root)) as callback:
            run = work(loader(), callback)
    except KeyboardInterrupt:
        if (root / "environment.json").exists():
            say(f"\nstopped; resume with: treehead resume {root}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print_metrics(run.metrics)
    say(f"report: {write_report(root)}")


def loader() -> "Loader":
    """A function that loads the data set of a config, and shows a progress bar where it downloads or reads images."""
    from treehead.data.load import is_custom, load
    from treehead.progress import progress_bar

    def load_or_fetch(config: "DataConfig") -> "Dataset":
        bar = progress_bar("images") if is_custom(config) else progress_bar("CIFAR-100", unit="bytes")
        with bar as progress:
            return load(config, environment=os.environ, log=say, on_progress=progress)

    return load_or_fetch


def config_of(arguments: list[str] | None, data: Path | None = None) -> "RunConfig":
    """The config of `[RECIPE|FILE.toml] [key=value ...]`, on custom images where `data` names them."""
    from treehead.recipes import config_of

    return config_of(arguments or [], data)


def print_metrics(metrics: Metrics) -> None:
    """Print the main metrics of a run."""
    from treehead.run.text import metric_lines

    for line in metric_lines(metrics):
        say(line)
