"""The edge for Python programs, as `cli` is for people: defaults are chosen here, and the environment is read."""

import os
from pathlib import Path

from treehead.config import DataConfig, RunConfig
from treehead.data.dataset import Dataset
from treehead.data.load import load as load_data
from treehead.inference.classifier import folder_of, open_model
from treehead.inference.exported import Kind, export_model, exported_metrics
from treehead.progress import PlainCallback
from treehead.run.runner import Run, start
from treehead.runfiles import free_folder
from treehead.train.loop import Callback


def train(config: RunConfig, folder: Path | str | None = None, *, callback: Callback | None = None) -> Run:
    """Train and evaluate a new run; a line per epoch is printed unless a `callback` listens.

    Conventions: without `folder` the run goes to runs/<config.name>, or the next free number after it.
    Raises: UserError: the config fits neither data nor machine, or the folder holds a run already;
        RunError: the training failed.
    """

    def load(data: DataConfig) -> Dataset:
        return load_data(data, environment=os.environ, say=print, report=lambda done, total: None)

    root = Path(folder) if folder else free_folder(Path("runs"), config.name)
    return start(config, root, load=load, callback=callback or PlainCallback())


def export_file(source: Path | str, *, kind: Kind, out: Path | str | None = None, replace: bool = False) -> Path:
    """Write a trained network as one file: a run folder's, the package's, or an exported .safetensors file's.

    Conventions: without `out` the file goes to the current folder and is called as the run is.
    Raises: UserError: there is no such model, or it is not finished; the file is there already and `replace` is not
        given; the extra `onnx` is missing. RunError: it cannot be written.
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
