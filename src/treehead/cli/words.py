"""What commands are given, and what several of them do with it.

The rooms that compute are imported inside functions, so that `treehead --help` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from treehead.config import DataConfig, RunConfig
    from treehead.data.dataset import Dataset
    from treehead.run.runner import Loader, Run
    from treehead.training.loop import Callback

INTERRUPTED = 130
"""Exit code of what Ctrl-C stopped."""

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RECIPE|FILE.toml] [key=value ...]", help="A recipe or a config, then what to change."),
]
EngineWords = Annotated[list[str] | None, typer.Argument(metavar="[engine.KEY=VALUE ...]")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def follow(root: Path, work: "Callable[[Loader, Callback], Run]") -> None:
    """Train with progress, then report; Ctrl-C says how to go on."""
    from treehead.progress import watching
    from treehead.report import write_report

    try:
        with watching(str(root)) as callback:
            run = work(loader(), callback)
    except KeyboardInterrupt:
        if (root / "environment.json").exists():
            print(f"\nstopped; go on with: treehead resume {root}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print_metrics(run.metrics)
    print(f"report: {write_report(root)}")


def loader() -> "Loader":
    """Finds data sets, and fetches or decodes what is missing with a progress bar."""
    from treehead.data.load import is_own, load
    from treehead.progress import decoding, fetching

    def load_or_fetch(config: "DataConfig") -> "Dataset":
        with decoding() if is_own(config) else fetching() as progress:
            return load(config, environment=os.environ, say=print, report=progress)

    return load_or_fetch


def config_of(words: list[str] | None, data: Path | None = None) -> "RunConfig":
    """The config of `[RECIPE|FILE.toml] [key=value ...]`, on one's own images where `data` names them."""
    from treehead.recipes import config_of

    return config_of(words or [], data)


def print_metrics(metrics: dict[str, Any]) -> None:
    from treehead.progress import metric_lines

    for line in metric_lines(metrics):
        print(line)
