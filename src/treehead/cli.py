"""The `treehead` command: words in, sentences and exit codes out. It computes nothing itself.

The rooms that compute are imported inside the commands, so that `treehead --help` answers at once.
"""

import errno
import os
import sys
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from treehead.types import RunError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from treehead.config import DataConfig, RunConfig
    from treehead.data.dataset import Dataset
    from treehead.experiment.runner import Loader, Run
    from treehead.train.loop import Watcher

USER_ERROR, RUN_ERROR, INTERRUPTED = 2, 1, 130

app = typer.Typer(
    help="One CNN, a head for every level of your label tree.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Fetch CIFAR-100, verify it, draw a sheet of samples.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RECIPE|FILE.toml] [key=value ...]", help="A recipe or a config, then what to change."),
]
Export = Enum("Export", {"onnx": "onnx", "safetensors": "safetensors"})
EngineWords = Annotated[list[str] | None, typer.Argument(metavar="[engine.KEY=VALUE ...]")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


def main() -> None:
    """Run the command line; a mistake is one sentence on stderr and an exit code, never a traceback."""
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")  # it is refused, with a sentence
    try:
        app()
    except UserError as error:
        _fail(str(error), USER_ERROR)
    except RunError as error:
        _fail(str(error), RUN_ERROR)
    except OSError as error:
        full = "; free some space and run the same command again" if error.errno == errno.ENOSPC else ""
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{where}{full}", RUN_ERROR)
    except Exception as error:
        if os.environ.get("TREEHEAD_TRACEBACK"):
            raise
        _fail(
            f"this is a mistake of treehead's ({type(error).__name__}: {error}); please report it with what "
            "TREEHEAD_TRACEBACK=1 prints",
            RUN_ERROR,
        )


def _fail(message: str, code: int) -> None:
    print(f"treehead: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


@app.command()
def train(
    words: Words = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME if not given.")] = None,
    data: Annotated[Path | None, typer.Option(help="Your images: a folder of folders, or a CSV or Parquet.")] = None,
) -> None:
    """Train, evaluate, and write a run folder with its report."""
    from treehead.experiment import runner
    from treehead.runfiles import free_folder

    config = _config_of(words, data)
    root = out or free_folder(Path("runs"), config.name)
    _follow(root, lambda load, watcher: runner.start(config, root, load=load, watcher=watcher))


@app.command()
def resume(run: RunPath, words: EngineWords = None) -> None:
    """Go on exactly where a run stopped."""
    from treehead.experiment import runner
    from treehead.recipes import changes_of

    new = changes_of(words or [], only=("engine.",))
    _follow(run, lambda load, watcher: runner.resume(run, load=load, watcher=watcher, changes=new))


@app.command()
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
    from treehead.experiment import runner
    from treehead.progress import decoder_lines
    from treehead.recipes import changes_of

    if against and decoders:
        raise UserError("--against compares two runs as they were evaluated; leave --decoders out")
    if against:
        _compare(run, against, words)
        return
    changes = changes_of(words or [], only=("decode", "engine."))
    metrics = runner.evaluate(run, load=_loader(), changes=changes).metrics
    _print_metrics(metrics)
    if decoders:
        print("", *decoder_lines(metrics), sep="\n")


@app.command()
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
    from treehead.experiment import study_command
    from treehead.recipes import changes_of
    from treehead.report import write_study_report

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


@app.command()
def report(
    run: RunPath,
    images: Annotated[bool, typer.Option(help="Show misread images of the data set, or leave them out.")] = True,
) -> None:
    """Write one self-contained HTML page, and PNG figures, of a run or of a study."""
    from treehead.report import write_report, write_study_report
    from treehead.runfiles import StudyFolder

    if StudyFolder(run).study.exists():
        from treehead.experiment.summary import write_summary

        write_summary(run)
        print(write_study_report(run))
        return
    print(write_report(run, images=images))


@app.command()
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
    from treehead.experiment.classifier import is_model, load
    from treehead.experiment.predicting import predict_files, printed, table
    from treehead.experiment.predictions import Wanted
    from treehead.progress import counting
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
        with counting("images", visible=out is not None) as report:
            outcome = predict_files(classifier, places, wanted, write=write, report=report)
    if out:
        print(f"{out}: {outcome.answered:,} images")
    for line in outcome.lines():
        print(line, file=sys.stderr)
    if outcome.unreadable:
        raise RunError(f"{outcome.unreadable:,} of the images could not be read; all others are answered")


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run folder, cifar100, or a .safetensors file.")],
    to: Annotated[Export, typer.Option(help="What to write.")],
    out: Annotated[Path | None, typer.Option(help="The file; NAME.onnx or NAME.safetensors here if not given.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Write a trained network as one file, with its classes, tree and metrics inside."""
    from treehead.experiment.api import export_file

    print(export_file(model, kind=to.value, out=out, replace=force))


@app.command()
def serve(
    model: Annotated[
        str, typer.Argument(metavar="[RUN|MODEL]", help="A run folder, cifar100, or an exported file.")
    ] = "cifar100",
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8100,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Place images in the tree on a local page, with a JSON endpoint beside it."""
    from treehead.serve.server import serve as answer

    answer(model, host=host, port=port, show=show)


@app.command()
def summary(
    words: Words = None,
    data: Annotated[Path | None, typer.Option(help="Your images, for the size of the heads.")] = None,
) -> None:
    """Layers, shapes, trainable parameters, multiply-adds."""
    from rich.console import Console

    from treehead.data.load import shape_and_tree
    from treehead.experiment.runner import network_json
    from treehead.progress import network_table
    from treehead.spec import build_spec

    config = _config_of(words, data)
    shape, tree = shape_and_tree(config.data)
    network = network_json(build_spec(config.network, input_shape=shape, levels=tree.levels, sizes=tree.sizes))
    Console(width=None if sys.stdout.isatty() else 110).print(network_table(network))


@app.command()
def config(words: Words = None) -> None:
    """Every key, its meaning, and its value here."""
    from rich.console import Console

    from treehead.config import described, written
    from treehead.progress import key_table

    rows = ((key, written(value), meaning) for key, value, meaning in described(_config_of(words)))
    Console(width=None if sys.stdout.isatty() else 150).print(key_table(rows))


@data_app.command("get")
def data_get(name: Annotated[str, typer.Argument(help="cifar100")] = "cifar100") -> None:
    """Fetch CIFAR-100 into the cache; a broken download goes on where it stopped."""
    from treehead.data import load
    from treehead.data.fetch import fetch
    from treehead.progress import fetching

    if name != "cifar100":
        raise UserError(f"treehead fetches cifar100, not {name!r}; shapes is drawn, and needs no fetching")
    if place := load.find_cifar100(None, environment=os.environ):
        print(f"CIFAR-100 is already here: {place}")
        return
    with fetching() as progress:
        place = fetch(load.cache_folder(), report=progress)
    print(f"CIFAR-100 is here: {place}")


@data_app.command("check")
def data_check(
    root: Annotated[Path | None, typer.Argument(help="CIFAR-100, or your own images; else found as usual.")] = None,
    words: Annotated[list[str] | None, typer.Argument(metavar="[key=value ...]", help="As for train.")] = None,
) -> None:
    """Verify CIFAR-100; or say what is in your own images, what looks wrong, and what training will do."""
    from treehead.data import cifar100, load
    from treehead.hierarchy.cifar100 import cifar100_tree

    if root is not None and not cifar100.is_release(root):
        return _check_own(root, words or [])
    place = load.find_cifar100(root, environment=os.environ)
    if place is None:
        raise UserError("CIFAR-100 is not on this machine; treehead data get cifar100 fetches it")
    for line in cifar100.check(place, cifar100_tree()):
        print(line)
    print(f"{place} is the release, whole and undamaged")
    return None


def _check_own(root: Path, words: list[str]) -> None:
    from treehead.data.inspection import findings
    from treehead.data.load import pictures_cache
    from treehead.data.own import examine
    from treehead.progress import decoding

    config = _config_of(words, root).data
    with decoding() as progress:
        own = examine(config, cache=pictures_cache(config), say=print, report=progress)
    for line in findings(own, config):
        print(line)


@data_app.command("show")
def data_show(
    words: Words = None,
    out: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("samples.png"),
    columns: Annotated[int, typer.Option(min=1, max=40, help="Images per row.")] = 10,
) -> None:
    """Draw a labelled sheet of training images as PNG."""
    from treehead.data.sheet import sheet
    from treehead.runfiles import written_whole

    config = _config_of(words)
    dataset = _loader()(config.data)
    with written_whole(out) as temporary:
        sheet(dataset.train, dataset.tree, columns=columns, seed=config.seed).save(temporary, "PNG")
    print(out)


def _follow(root: Path, work: "Callable[[Loader, Watcher], Run]") -> None:
    """Train with progress, then report; Ctrl-C says how to go on."""
    from treehead.progress import watching
    from treehead.report import write_report

    try:
        with watching(str(root)) as watcher:
            run = work(_loader(), watcher)
    except KeyboardInterrupt:
        if (root / "environment.json").exists():
            print(f"\nstopped; go on with: treehead resume {root}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    _print_metrics(run.metrics)
    print(f"report: {write_report(root)}")


def _loader() -> "Loader":
    """Finds data sets, and fetches or decodes what is missing with a progress bar."""
    from treehead.data.load import is_own, load
    from treehead.progress import decoding, fetching

    def load_or_fetch(config: "DataConfig") -> "Dataset":
        with decoding() if is_own(config) else fetching() as progress:
            return load(config, environment=os.environ, say=print, report=progress)

    return load_or_fetch


def _config_of(words: list[str] | None, data: Path | None = None) -> "RunConfig":
    """The config of `[RECIPE|FILE.toml] [key=value ...]`, on one's own images where `data` names them."""
    from treehead.recipes import config_of

    return config_of(words or [], data)


def _compare(run: Path, against: Path, words: list[str] | None) -> None:
    """Print what `run` does otherwise than `against`."""
    from treehead.experiment.comparison import compare
    from treehead.progress import comparison_lines

    if words:
        raise UserError(f"--against compares runs as they were evaluated; first: treehead evaluate {run} {words[0]}")
    for line in comparison_lines(compare(against, run), str(against), str(run)):
        print(line)


def _print_metrics(metrics: dict[str, Any]) -> None:
    from treehead.progress import metric_lines

    for line in metric_lines(metrics):
        print(line)
