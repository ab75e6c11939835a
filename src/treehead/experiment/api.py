"""The edge for Python programs, as `cli` is for people: defaults are chosen here, and the environment is read."""

import os
from pathlib import Path

from treehead.config import DataConfig, RunConfig
from treehead.data.dataset import Dataset
from treehead.data.load import load as load_data
from treehead.experiment.runner import Run, start
from treehead.progress import PlainWatcher
from treehead.runfiles import free_folder
from treehead.train.loop import Watcher


def train(config: RunConfig, folder: Path | str | None = None, *, watcher: Watcher | None = None) -> Run:
    """Train and evaluate a new run; a line per epoch is printed unless a `watcher` listens.

    Conventions: without `folder` the run goes to runs/<config.name>, or the next free number after it.
    Raises: UserError: the config fits neither data nor machine, or the folder holds a run already;
        RunError: the training failed.
    """

    def load(data: DataConfig) -> Dataset:
        return load_data(data, environment=os.environ, say=print, report=lambda done, total: None)

    root = Path(folder) if folder else free_folder(Path("runs"), config.name)
    return start(config, root, load=load, watcher=watcher or PlainWatcher())
