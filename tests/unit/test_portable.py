"""treehead without what only Linux has, or only Unix."""

import subprocess
import sys
from pathlib import Path

import pytest

HIDDEN = """
import contextlib, importlib, os, signal, sys

for library in (  # they have their own answer on each platform, so they are imported before anything is hidden
    "filelock psutil numpy scipy torch numba matplotlib.pyplot plotly.graph_objects PIL.Image safetensors.numpy "
    "pydantic typer rich.live fastapi uvicorn sklearn.base onnx onnxruntime pyarrow.parquet tensorboard.summary"
).split():
    with contextlib.suppress(ImportError):
        importlib.import_module(library)
for module in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[module] = None  # an import raises ImportError
for module, names in {
    os: ("sched_getaffinity", "sched_setaffinity", "sysconf", "getuid", "fork", "setsid", "getpgid", "killpg"),
    signal: ("SIGHUP", "SIGKILL", "SIGUSR1", "pthread_sigmask"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""

TRAINING = """
import importlib, pkgutil, sys
import treehead

for module in pkgutil.walk_packages(treehead.__path__, "treehead."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

from treehead import system
from treehead.data.shapes import shapes

class Silent:
    def on_progress(self, progress): ...
    def on_epoch_end(self, record): ...

for engine in ("pytorch", "scratch"):
    config = treehead.changed(
        treehead.recipe("shapes"),
        {"train.epochs": 1, "train.batch_size": 16, "network.stages": [{"width": 4}], "engine.kind": engine},
    )
    folder = f"{sys.argv[1]}/{engine}"
    run = treehead.train(config, folder, dataset=shapes(train_per_leaf=2, test_per_leaf=1), callback=Silent())
    assert run.metrics["images"] == 24
    assert treehead.load(folder).predict(shapes(train_per_leaf=1, test_per_leaf=1).test.pixels).names()
assert system.usable_cores() >= 1
assert system.peak_memory_bytes() > 0
with system.termination_as_interrupt(), system.share_of_cores(0, 2):
    pass
"""


@pytest.mark.slow
def test_it_imports_and_trains_without_unix(tmp_path: Path) -> None:
    """Every module, then both engines, with the modules, functions and signals that Windows lacks hidden."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HIDDEN + TRAINING, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
