"""Commands that train, and that measure what was trained."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from treehead.cli.words import INTERRUPTED, EngineWords, RunPath, Words, config_of, follow, loader, print_metrics
from treehead.types import UserError


def train(
    words: Words = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME if not given.")] = None,
    data: Annotated[Path | None, typer.Option(help="Your images: a folder of folders, or a CSV or Parquet.")] = None,
) -> None:
    """Train, evaluate, and write a run folder with its report."""
    from treehead.run import runner
    from treehead.runfiles import free_folder

    config = config_of(words, data)
    root = out or free_folder(Path("runs"), config.name)
    follow(root, lambda load, callback: runner.start(config, root, load=load, callback=callback))


def resume(run: RunPath, words: EngineWords = None) -> None:
    """Go on exactly where a run stopped."""
    from treehead.recipes import changes_of
    from treehead.run import runner

    new = changes_of(words or [], only=("engine.",))
    follow(run, lambda load, callback: runner.resume(run, load=load, callback=callback, changes=new))


def evaluate(
    run: RunPath,
    words: Annotated[list[str] | None, typer.Argument(metavar="[decode=KIND] [engine.KEY=VALUE ...]")] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Compare with another run instead, image by image, as both were evaluated."),
    ] = None,
    decoders: Annotated[bool, typer.Option("--decoders", help="Print a table of every decode, side by side.")] = False,
) -> None:
    """Write every metric, on the test images, and print the main ones; or compare two runs."""
    from treehead.progress import decoder_lines
    from treehead.recipes import changes_of
    from treehead.run import runner

    if against and decoders:
        raise UserError("--against compares two runs as they were evaluated; leave --decoders out")
    if against:
        _compare(run, against, words)
        return
    changes = changes_of(words or [], only=("decode", "engine."))
    metrics = runner.evaluate(run, load=loader(), changes=changes).metrics
    print_metrics(metrics)
    if decoders:
        print("", *decoder_lines(metrics), sep="\n")


def _compare(run: Path, against: Path, words: list[str] | None) -> None:
    """Print what `run` does otherwise than `against`."""
    from treehead.progress import comparison_lines
    from treehead.run.comparison import compare

    if words:
        raise UserError(f"--against compares runs as they were evaluated; first: treehead evaluate {run} {words[0]}")
    for line in comparison_lines(compare(against, run), str(against), str(run)):
        print(line)


def study(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STUDY|FILE.toml|FOLDER] [key=value ...]",
            help="reference, rates, shapes, one of your own, or the folder of one begun; then changes for all runs.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="AXIS=CHOICE[,CHOICE]", help="Run just these cells now; may be given again."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Repeat every cell with so many seeds.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs side by side; they share the cores.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The study's folder; studies/NAME if not given.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the runs and how far each is; run nothing.")] = False,
) -> None:
    """Run a grid of configs, skip what is finished, resume what was stopped, and sum it up."""
    from treehead.recipes import changes_of
    from treehead.report import write_study_report
    from treehead.study import command as study_command

    words = list(words or [])
    name = words.pop(0) if words and "=" not in words[0] else "reference"
    plan, root, cells = study_command.planned(name, changes_of(words), only or [], seeds=seeds, out=out)
    if listed:
        study_command.show_list(plan, root, cells)
        return
    try:
        study_command.run(plan, root, cells, jobs=jobs, draw=write_study_report)
    except KeyboardInterrupt:
        print(f"\nstopped; go on with: treehead study {root}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
