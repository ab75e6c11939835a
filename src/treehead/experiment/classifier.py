"""A trained network, ready to answer.

Axes: N images, L levels from the leaves up, K_l classes of level l.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from treehead.data.pictures import read_picture
from treehead.decode import decode
from treehead.engines.api import Engine
from treehead.experiment.model import Model, build_engine, load_model
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.flat import softmax
from treehead.runfiles import RunFolder
from treehead.types import Array, UserError

SHIPPED = ("cifar100",)
"""Trained models that come with the package."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Answers for some images.

    Shapes: probabilities: per level (N, K_l) float64, rows sum to 1; answers: (N, L) int64 class ids.
    """

    tree: LabelTree
    probabilities: tuple[Array, ...]
    answers: Array

    def names(self) -> list[tuple[str, ...]]:
        """The answer of every image at every level, leaves first."""
        return [tuple(names[i] for names, i in zip(self.tree.names, answer, strict=True)) for answer in self.answers]

    def as_dicts(self) -> list[dict[str, dict[str, Any]]]:
        """Per image: {level: {"answer": name, "probability": that head's probability of it}}."""
        return [self._as_dict(row, path) for row, path in enumerate(self.names())]

    def _as_dict(self, row: int, path: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        answers, levels = self.answers[row], self.tree.levels
        sure = (level[row, answer] for level, answer in zip(self.probabilities, answers, strict=True))
        said = zip(levels, path, sure, strict=True)
        return {level: {"answer": name, "probability": float(share)} for level, name, share in said}


class Classifier:
    """A network that takes pictures and answers at every level of its tree."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._engine: Engine = build_engine(model)

    @property
    def tree(self) -> LabelTree:
        return self.model.tree

    def predict(self, images: Array | Sequence[Path | str]) -> Prediction:
        """Answer for image files, or for pixels that have the network's size already.

        Shapes: images: paths, or (N, C, H, W) uint8.
        Conventions: one view; decoded as the model's config says.
        Raises: UserError: a file is no image; an array of another shape or dtype.
        """
        shape = self.model.spec.input_shape
        if isinstance(images, np.ndarray):
            pixels = images
        else:
            pixels = np.stack([read_picture(Path(image), shape=shape) for image in images])
        if pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
            raise UserError(f"expected (N, {', '.join(map(str, shape))}) uint8, got {pixels.shape} {pixels.dtype}")
        probabilities = [softmax(logits) for logits in self._engine.predict(pixels)]
        decoded = decode(self.model.config.decode, probabilities, self.tree)
        return Prediction(self.tree, tuple(probabilities), decoded.answers)


def load(source: str | Path) -> Classifier:
    """Load a run folder, or a model that comes with the package (`cifar100`).

    Raises: UserError: there is no such run or model, or its files are damaged.
    """
    if str(source) in SHIPPED and not Path(source).exists():
        return Classifier(load_model(RunFolder(Path(str(files("treehead") / "models" / str(source))))))
    return Classifier(load_model(RunFolder(Path(source)).checked()))


def is_model(word: str) -> bool:
    """Whether `word` names a model and not an image: a folder, or one that comes with the package."""
    return Path(word).is_dir() or (word in SHIPPED and not Path(word).exists())
