"""The entry points for Python programs: defaults are chosen and the environment is read in this module."""

import os
from pathlib import Path

from treehead.config import DataConfig, RunConfig, changed
from treehead.data.dataset import Dataset
from treehead.data.load import load as load_data
from treehead.engines.objective import Objective
from treehead.inference.classifier import folder_of, open_model
from treehead.inference.exported import Kind, export_model, exported_metrics
from treehead.progress import PlainCallback
from treehead.recipes import custom_images
from treehead.run import runner
from treehead.run.runner import Loader, Run
from treehead.runfiles import free_folder
from treehead.training.loop import Callback


def train(
    config: RunConfig,
    folder: Path | str | None = None,
    *,
    dataset: Dataset | None = None,
    objective: Objective | None = None,
    callback: Callback | None = None,
) -> Run:
    """Train a network and evaluate it on the test images.

    Args:
        config: The configuration, for example of `recipe`.
        folder: The run folder; by default `runs/<config.name>`, or the next free `runs/<config.name>-2`, ...
        dataset: Custom images and their label tree, instead of the data set that `config.data` names. The run's config
            then has `data.name = "arrays"`; `data.split` and `data.balance` still apply.
        objective: A custom loss, instead of `config.loss`. The run's config then has `loss.kind = "custom"`;
            `loss.level_weights` and `loss.final_level_weights` still apply.
        callback: Receives the progress; by default one line per epoch is printed.

    Returns:
        The finished run.

    Raises:
        UserError: The config does not fit the data or the machine, or the folder contains a run already.
        RunError: The training failed.
    """
    if dataset is not None:
        config = changed(config, {"data.name": "arrays", "data.root": None})
    root = Path(folder) if folder else free_folder(Path("runs"), config.name)
    return runner.start(config, root, load=_loader(dataset), callback=callback or PlainCallback(), objective=objective)


def resume(
    folder: Path | str,
    *,
    dataset: Dataset | None = None,
    objective: Objective | None = None,
    callback: Callback | None = None,
    data: Path | str | None = None,
) -> Run:
    """Continue a stopped run after its last finished epoch; a finished run is only evaluated again.

    On a CPU the finished weights are bit-identical to those of a run that was never stopped.

    Args:
        folder: The run folder.
        dataset: The data set that the run was started with, if it was given one.
        objective: The objective that the run was started with, if it was given one.
        callback: Receives the progress; by default one line per epoch is printed.
        data: Where the custom images of the run are now, if they were moved.

    Returns:
        The finished run.

    Raises:
        UserError: Not a run folder; the data set or objective that the run was started with is missing; the images, the
            config, the tree or the checkpoint are not those of the run.
        RunError: The training failed.
    """
    callback = callback or PlainCallback()
    changes = custom_images(Path(data) if data else None)
    return runner.resume(Path(folder), load=_loader(dataset), callback=callback, changes=changes, objective=objective)


def load_dataset(config: DataConfig) -> Dataset:
    """Load the data set that a config names; CIFAR-100 is downloaded if it is missing.

    Args:
        config: The `data` section of a config, for example `recipe("shapes").data`.

    Returns:
        Training and test images with their labels, and the label tree.

    Raises:
        UserError: Files are missing or damaged, or the label tree is unknown.
        RunError: The download failed.
    """
    return load_data(config, environment=os.environ, log=print, on_progress=lambda done, total: None)


def _loader(dataset: Dataset | None) -> Loader:
    return load_dataset if dataset is None else lambda _: dataset


def export_file(source: Path | str, *, kind: Kind, out: Path | str | None = None, replace: bool = False) -> Path:
    """Export a trained network as one file.

    Args:
        source: A run folder, the name of a shipped model, or an exported .safetensors file.
        kind: `onnx` or `safetensors`.
        out: The file to write; by default named after the run, in the current folder.
        replace: Overwrite an existing file.

    Returns:
        The path of the file.

    Raises:
        UserError: There is no such model, or it is not finished; the file exists and `replace` is not set; the extra
            `onnx` is not installed.
        RunError: The file cannot be written.
    """
    model, path = open_model(source), Path(source)
    if path.suffix == ".safetensors":
        name, metrics = path.stem, exported_metrics(path)
    else:
        folder = folder_of(source)
        name, metrics = folder.root.resolve().name, folder.read_json(folder.metrics)
    target = Path(out) if out else Path(f"{name}.{kind}")
    export_model(model, target, kind=kind, metrics=metrics, replace=replace)
    return target
