"""Commands that train, and that evaluate and report on what was trained."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from treehead.cli.arguments import (
    INTERRUPTED,
    ConfigArguments,
    EngineOverrides,
    RunPath,
    config_of,
    follow,
    loader,
    print_metrics,
)
from treehead.inputs import say
from treehead.types import UserError


def train(
    arguments: ConfigArguments = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The run folder.  [default: runs/NAME of the config]")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Custom images: nested folders, or a CSV or Parquet file that lists them."),
    ] = None,
) -> None:
    """Train a network and write a run folder with a report."""
    from treehead.run import runner
    from treehead.runfiles import free_folder

    config = config_of(arguments, data)
    root = out or free_folder(Path("runs"), config.name)
    follow(root, lambda load, callback: runner.start(config, root, load=load, callback=callback))


DataPath = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Where the images of the run are now, if they were moved."),
]
PLACES = ("data.root", "data.cache", "engine.")
"""Keys of a run's config that may be given anew: they change no result."""


def resume(run: RunPath, overrides: EngineOverrides = None, data: DataPath = None) -> None:
    """Continue an interrupted run from its last checkpoint."""
    from treehead.recipes import changes_of, custom_images
    from treehead.run import runner

    changes = custom_images(data) | changes_of(overrides or [], only=PLACES)
    follow(run, lambda load, callback: runner.resume(run, load=load, callback=callback, changes=changes))


def evaluate(
    run: RunPath,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[decode=KIND] [data.root=PATH] [engine.KEY=VALUE ...]", help="Overrides of the run's config."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Compare the stored predictions with another run's, image by image."),
    ] = None,
    decoders: Annotated[bool, typer.Option("--decoders", help="Also print the metrics of every decoder.")] = False,
    data: DataPath = None,
    new: Annotated[
        bool, typer.Option("--new", help="Also take images as test images that are new since the training.")
    ] = False,
) -> None:
    """Compute the metrics of a run, or compare two runs."""
    from treehead.recipes import changes_of, custom_images
    from treehead.run import runner
    from treehead.run.text import decoder_lines

    if against and decoders:
        raise UserError("--against compares stored predictions and --decoders computes new ones: use one of them")
    if against:
        _compare(run, against, overrides)
        return
    changes = custom_images(data) | changes_of(overrides or [], only=("decode", *PLACES))
    metrics = runner.evaluate(run, load=loader(), changes=changes, take_new=new).metrics
    print_metrics(metrics)
    if decoders:
        say("", *decoder_lines(metrics))


def calibrate(
    run: RunPath,
    donor: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="RUN",
            help="A run of the same tree that held images out of its training, such as a shorter one with "
            "data.split=90:10.",
        ),
    ],
) -> None:
    """Calibrate a run that held no images out, by another run's held-out images.

    The run is then evaluated again, with the calibrated probabilities.
    """
    from treehead.run import runner

    print_metrics(runner.calibrate(run, donor, load=loader()).metrics)


def _compare(run: Path, against: Path, overrides: list[str] | None) -> None:
    """Print the differences between the predictions of `run` and those of `against`."""
    from treehead.run.comparison import compare
    from treehead.run.text import comparison_lines

    if overrides:
        raise UserError(f"--against compares stored predictions; first run treehead evaluate {run} {overrides[0]}")
    for line in comparison_lines(compare(against, run), str(against), str(run)):
        say(line)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN|STUDY", help="A run folder or a study folder.")],
    images: Annotated[bool, typer.Option(help="Include misclassified images of the data set.")] = True,
) -> None:
    """Write the HTML report and the figures of a run or a study."""
    from treehead.report import write_report, write_study_report
    from treehead.runfiles import StudyFolder

    if StudyFolder(run).study.exists():
        from treehead.study.summary import write_summary

        write_summary(run)
        say(str(write_study_report(run)))
        return
    say(str(write_report(run, images=images)))


def study(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STUDY|FILE.toml|FOLDER] [key=value ...]",
            help="A built-in study (reference, rates, severity, shapes), a study file, or a study folder to continue; "
            "then overrides for every run.  [default: reference]",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="AXIS=CHOICE[,CHOICE]", help="Run only the cells with these choices (repeatable)."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of seeds per cell.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of parallel runs; they share the cores.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The study folder.  [default: studies/NAME of the study]")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the runs and their state without running any.")] = False,
) -> None:
    """Train a grid of configs and summarise the results.

    Finished runs are skipped, interrupted ones are resumed.
    """
    from treehead.recipes import changes_of
    from treehead.report import write_study_report
    from treehead.study import command as study_command

    overrides = list(arguments or [])
    name = overrides.pop(0) if overrides and "=" not in overrides[0] else "reference"
    plan, root, cells = study_command.planned(name, changes_of(overrides), only or [], seeds=seeds, out=out)
    if listed:
        study_command.show_list(plan, root, cells)
        return
    try:
        study_command.run(plan, root, cells, jobs=jobs, draw=write_study_report)
    except KeyboardInterrupt:
        say(f"\nstopped; continue with: treehead study {root}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
