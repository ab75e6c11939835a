"""One CNN, a head for every level of your label tree.

    run = treehead.train(treehead.recipe("cifar100"))
    treehead.load("cifar100").predict(["beaver.jpg"]).names()

Importing treehead does not import torch; building an engine does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treehead.api import train as train
    from treehead.config import RunConfig as RunConfig
    from treehead.config import changed as changed
    from treehead.estimator import TreeHeadClassifier as TreeHeadClassifier
    from treehead.inference.classifier import Classifier as Classifier
    from treehead.inference.classifier import load as load
    from treehead.inference.prediction import Prediction as Prediction
    from treehead.recipes import recipe as recipe
    from treehead.run.runner import Run as Run

_HOMES = {
    "RunConfig": "treehead.config",
    "changed": "treehead.config",
    "train": "treehead.api",
    "Classifier": "treehead.inference.classifier",
    "TreeHeadClassifier": "treehead.estimator",
    "Prediction": "treehead.inference.prediction",
    "load": "treehead.inference.classifier",
    "Run": "treehead.run.runner",
    "recipe": "treehead.recipes",
}

__all__ = ["Classifier", "Prediction", "Run", "RunConfig", "changed", "load", "recipe", "train"]
# without TreeHeadClassifier, so that `from treehead import *` needs no extra


def __getattr__(name: str) -> Any:
    """Fetch a public name from its room at first use (PEP 562), so that the import itself is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'treehead' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
