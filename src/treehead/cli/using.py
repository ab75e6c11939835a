"""Commands that show what was learned, and use it."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from treehead.cli.words import RunPath
from treehead.types import RunError, UserError

Export = Enum("Export", {"onnx": "onnx", "safetensors": "safetensors"})


def report(
    run: RunPath,
    images: Annotated[bool, typer.Option(help="Show misread images of the data set, or leave them out.")] = True,
) -> None:
    """Write one self-contained HTML page, and PNG figures, of a run or of a study."""
    from treehead.report import write_report, write_study_report
    from treehead.runfiles import StudyFolder

    if StudyFolder(run).study.exists():
        from treehead.study.summary import write_summary

        write_summary(run)
        print(write_study_report(run))
        return
    print(write_report(run, images=images))


def predict(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN|MODEL] IMAGE|FOLDER... [engine.KEY=VALUE ...]", help="By cifar100 if no model is named."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write a table: .csv, .jsonl or .parquet.")] = None,
    top: Annotated[int, typer.Option(min=0, help="Also the best TOP paths of the tree.")] = 0,
    nodes: Annotated[bool, typer.Option("--nodes", help="Also the probability of every class of every level.")] = False,
    confidence: Annotated[float | None, typer.Option(help="Also the deepest answer that is so sure: 0.8.")] = None,
    under: Annotated[str | None, typer.Option(metavar="NODE", help="All images show something below it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per image, for machines.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a table that is there already.")] = False,
) -> None:
    """Answer at every level, with probabilities, for images and folders of images."""
    from treehead.inference.classifier import is_model, load
    from treehead.inference.files import predict_files, printed, table
    from treehead.inference.table import Wanted
    from treehead.progress import progress_bar
    from treehead.recipes import changes_of

    changes = [word for word in words if word.startswith("engine.") and "=" in word]
    named = is_model((words := [word for word in words if word not in changes] or ["cifar100"])[0])
    if not (places := [Path(word) for word in (words[1:] if named else words)]):
        raise UserError(f"no image is named; treehead predict {words[0]} IMAGE...")
    if out and as_json:
        raise UserError("--json prints, --out writes: leave one of them out, or write a .jsonl")
    wanted = Wanted(top, nodes, confidence, under)
    writing = table(out, wanted, replace=force) if out else printed(wanted, as_json=as_json)
    with writing as write:  # before the model is loaded: what cannot be written is said at once
        classifier = load(words[0] if named else "cifar100", changes=changes_of(changes))
        with progress_bar("images", visible=out is not None) as report:
            outcome = predict_files(classifier, places, wanted, write=write, report=report)
    if out:
        print(f"{out}: {outcome.answered:,} images")
    for line in outcome.lines():
        print(line, file=sys.stderr)
    if outcome.unreadable:
        raise RunError(f"{outcome.unreadable:,} of the images could not be read; all others are answered")


def export(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run folder, cifar100, or a .safetensors file.")],
    to: Annotated[Export, typer.Option(help="What to write.")],
    out: Annotated[Path | None, typer.Option(help="The file; NAME.onnx or NAME.safetensors here if not given.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Write a trained network as one file, with its classes, tree and metrics inside."""
    from treehead.api import export_file

    print(export_file(model, kind=to.value, out=out, replace=force))


def serve(
    model: Annotated[
        str, typer.Argument(metavar="[RUN|MODEL]", help="A run folder, cifar100, or an exported file.")
    ] = "cifar100",
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8100,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another name it is called by, as a proxy's; or several.")
    ] = None,
) -> None:
    """Place images in the tree on a local page, with a JSON endpoint beside it."""
    from treehead.serve.server import serve as answer

    answer(model, host=host, port=port, show=show, names=allow_host or ())
