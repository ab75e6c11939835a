"""One CNN, a head for every level of your label tree.

    run = treehead.train(treehead.recipe("cifar100"))
    treehead.load("cifar100").predict(["beaver.jpg"]).names()

Importing treehead does not import torch; building an engine does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treehead.api import load_dataset as load_dataset
    from treehead.api import resume as resume
    from treehead.api import train as train
    from treehead.config import RunConfig as RunConfig
    from treehead.config import changed as changed
    from treehead.data.dataset import Dataset as Dataset
    from treehead.data.dataset import Images as Images
    from treehead.engines.objective import Objective as Objective
    from treehead.estimator import TreeHeadClassifier as TreeHeadClassifier
    from treehead.hierarchy.tree import LabelTree as LabelTree
    from treehead.inference.classifier import Classifier as Classifier
    from treehead.inference.classifier import load as load
    from treehead.inference.prediction import Prediction as Prediction
    from treehead.recipes import recipe as recipe
    from treehead.run.losses import objective_of as objective_of
    from treehead.run.runner import Run as Run
    from treehead.training.loop import Callback as Callback
    from treehead.training.loop import Progress as Progress
    from treehead.types import RunError as RunError
    from treehead.types import UserError as UserError

_MODULES = {
    "Callback": "treehead.training.loop",
    "Classifier": "treehead.inference.classifier",
    "Dataset": "treehead.data.dataset",
    "Images": "treehead.data.dataset",
    "LabelTree": "treehead.hierarchy.tree",
    "Objective": "treehead.engines.objective",
    "Prediction": "treehead.inference.prediction",
    "Progress": "treehead.training.loop",
    "Run": "treehead.run.runner",
    "RunConfig": "treehead.config",
    "RunError": "treehead.types",
    "TreeHeadClassifier": "treehead.estimator",
    "UserError": "treehead.types",
    "changed": "treehead.config",
    "load": "treehead.inference.classifier",
    "load_dataset": "treehead.api",
    "objective_of": "treehead.run.losses",
    "recipe": "treehead.recipes",
    "resume": "treehead.api",
    "train": "treehead.api",
}

__all__ = [  # without TreeHeadClassifier, so that `from treehead import *` needs no extra
    "Callback",
    "Classifier",
    "Dataset",
    "Images",
    "LabelTree",
    "Objective",
    "Prediction",
    "Progress",
    "Run",
    "RunConfig",
    "RunError",
    "UserError",
    "changed",
    "load",
    "load_dataset",
    "objective_of",
    "recipe",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use (PEP 562), so that the import itself is quick."""
    if name not in _MODULES:
        raise AttributeError(f"module 'treehead' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
