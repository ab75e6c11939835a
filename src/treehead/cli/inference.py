"""Commands that use a trained network: predict, export, serve."""

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from treehead.inputs import say
from treehead.types import RunError, UserError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from treehead.inference.files import Outcome
    from treehead.inference.output import PredictOptions
    from treehead.inference.writers import WriteBatch

ExportFormat = Enum("ExportFormat", {"onnx": "onnx", "safetensors": "safetensors"})
DEFAULT_MODEL = "cifar100"

MaxError = Annotated[
    float | None,
    typer.Option(
        metavar="X", help="Add the deepest answers such that at most this fraction of images is answered wrongly."
    ),
]
Coverage = Annotated[
    float | None,
    typer.Option("--set", metavar="X", help="Add the fewest classes that hold the truth with this probability."),
]


def predict(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN|MODEL] IMAGE|FOLDER... [engine.KEY=VALUE ...]",
            help=f"A run folder, an exported file or {DEFAULT_MODEL} (the default); then the images.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to a .csv, .jsonl or .parquet file.")] = None,
    top: Annotated[int, typer.Option(min=0, metavar="K", help="Add the K best paths of the tree.")] = 0,
    nodes: Annotated[bool, typer.Option("--nodes", help="Add the probability of every class of every level.")] = False,
    confidence: Annotated[
        float | None,
        typer.Option(metavar="X", help="Add the answer at the deepest level whose confidence is at least X (0 to 1)."),
    ] = None,
    max_error: MaxError = None,
    coverage: Coverage = None,
    under: Annotated[
        str | None, typer.Option(metavar="NODE", help="Only consider classes below this node of the tree.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per image.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE if it exists.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write names as they are, even formulas in CSV and control characters.")
    ] = False,
) -> None:
    """Classify images at every level of the label tree."""
    from treehead.inference.classifier import load
    from treehead.inference.files import predict_files
    from treehead.inference.output import PredictOptions
    from treehead.progress import progress_bar
    from treehead.recipes import changes_of

    model, images, overrides = _split(arguments)
    options = PredictOptions(top, nodes, confidence, max_error, coverage, under)
    writer = _writer(out, options, replace=force, as_json=as_json, raw=raw)
    with writer as write:  # opened before the model is loaded, so that an unusable file is reported at once
        classifier = load(model, changes=changes_of(overrides))
        with progress_bar("images", visible=out is not None) as on_progress:
            outcome = predict_files(classifier, images, options, write=write, on_progress=on_progress)
    _print_outcome(outcome, out)


def _writer(
    out: Path | None, options: "PredictOptions", *, replace: bool, as_json: bool, raw: bool
) -> "AbstractContextManager[WriteBatch]":
    from treehead.inference.writers import file_writer, stdout_writer

    if out and as_json:
        raise UserError("--json prints and --out writes a file: use one of them; --out FILE.jsonl writes JSON lines")
    if out:
        return file_writer(out, options, replace=replace, raw=raw)
    return stdout_writer(options, as_json=as_json, raw=raw)


def _split(arguments: list[str]) -> tuple[str, list[Path], list[str]]:
    """The arguments of `predict` -> the model, the images and the overrides."""
    from treehead.inference.classifier import is_model

    overrides = [argument for argument in arguments if argument.startswith("engine.") and "=" in argument]
    paths = [argument for argument in arguments if argument not in overrides]
    model = paths.pop(0) if paths and is_model(paths[0]) else DEFAULT_MODEL
    if not paths:
        raise UserError(f"no image given; use treehead predict {model} IMAGE...")
    return model, [Path(path) for path in paths], overrides


def _print_outcome(outcome: "Outcome", out: Path | None) -> None:
    """Raises: RunError: some files could not be read."""
    if out:
        say(f"{out}: {outcome.answered:,} images")
    for line in outcome.lines():
        say(line, file=sys.stderr)
    if outcome.unreadable:
        raise RunError(f"{outcome.unreadable:,} of {outcome.unreadable + outcome.answered:,} files could not be read")


def export(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run folder, cifar100, or a .safetensors file.")],
    to: Annotated[ExportFormat, typer.Option(help="The format to write.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write.  [default: RUN.onnx or RUN.safetensors]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE if it exists.")] = False,
) -> None:
    """Write a trained network as one ONNX or safetensors file.

    The file also holds the label tree, the config and the metrics.
    """
    from treehead.api import export_file

    say(str(export_file(model, kind=to.value, out=out, replace=force)))


def serve(
    model: Annotated[
        str, typer.Argument(metavar="[RUN|MODEL]", help="A run folder, cifar100, or an exported file.")
    ] = DEFAULT_MODEL,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 accepts connections from other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 chooses a free one.")] = 8100,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Accept requests for this host name, such as a proxy's (repeatable)."),
    ] = None,
) -> None:
    """Serve a web page and a JSON endpoint for a trained network."""
    from treehead.serve.server import serve as serve_model

    serve_model(model, host=host, port=port, show=show, names=allow_host or ())
