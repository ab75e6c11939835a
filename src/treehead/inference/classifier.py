"""A trained network, ready to answer.

Axes: N images, C channels, H W image, K_l classes of level l.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from treehead.config import changed
from treehead.data.image_file import read_image
from treehead.decode import decode, restricted
from treehead.hierarchy.subtree import leaves_under
from treehead.hierarchy.tree import LabelTree
from treehead.inference.exported import read_about, read_exported, require
from treehead.inference.model import Model, build_engine, load_model
from treehead.inference.prediction import Prediction
from treehead.metrics.flat import softmax
from treehead.runfiles import RunFolder
from treehead.types import Array, UserError

SHIPPED = ("cifar100",)
"""Trained models that come with the package."""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A network that takes pictures and answers at every level of its tree.

    input_shape: (C, H, W) of the images it takes. decode: how it makes one answer of the heads' probabilities.
    probabilities: pixels (N, C, H, W) uint8 -> per level (N, K_l) float64, rows sum to 1.
    """

    tree: LabelTree
    input_shape: tuple[int, int, int]
    decode: str
    probabilities: Callable[[Array], list[Array]]

    def predict(self, images: Array | Sequence[Path | str], *, under: str | None = None) -> Prediction:
        """Answer for image files, or for pixels that have the network's size already.

        Shapes: images: paths, or (N, C, H, W) uint8, N at least 1.
        Conventions: one view; decoded as the model's config says. With `under`, a node of the tree ("fish" or
            "superclass:fish"), the image is taken to show something below it.
        Raises: UserError: no images; a file is no image; an array of another shape or dtype; no such node.
        """
        leaves = None if under is None else leaves_under(self.tree, under)
        if not len(images):
            raise UserError("there are no images to answer for")
        if isinstance(images, np.ndarray):
            pixels = images
        else:
            pixels = np.stack([read_image(Path(image), shape=self.input_shape) for image in images])
        if pixels.dtype != np.uint8 or pixels.shape[1:] != self.input_shape:
            wanted = ", ".join(map(str, self.input_shape))
            raise UserError(f"expected (N, {wanted}) uint8, got {pixels.shape} {pixels.dtype}")
        probabilities = self.probabilities(pixels)
        if leaves is not None:
            probabilities = restricted(probabilities, self.tree, leaves)
        return Prediction(self.tree, tuple(probabilities), decode(self.decode, probabilities, self.tree).answers)


def classifier_of(model: Model) -> Classifier:
    """A model in memory, ready to answer on the device its config names."""
    engine = build_engine(model)

    def probabilities(pixels: Array) -> list[Array]:
        logits = engine.predict(pixels)
        return [softmax(level, t) for level, t in zip(logits, model.temperatures, strict=True)]

    return Classifier(model.tree, model.spec.input_shape, model.config.decode, probabilities)


def load(source: str | Path, *, changes: Mapping[str, object] | None = None) -> Classifier:
    """Load a run folder, an exported file, or a model that comes with the package (`cifar100`).

    Conventions: an .onnx file computes with ONNX Runtime and needs no torch; all else with the run's engine, unless
        `changes` to its config, such as {"engine.kind": "scratch"}, say another.
    Raises: UserError: there is no such run or model, or its files are damaged; the extra `onnx` is missing.
    """
    path = Path(source)
    if path.suffix == ".onnx":
        if changes:
            raise UserError(
                f"{path} computes with ONNX Runtime; {', '.join(changes)} needs a run or a .safetensors file"
            )
        return _load_onnx(path)
    model = open_model(source)
    return classifier_of(dataclasses.replace(model, config=changed(model.config, changes or {})))


def open_model(source: str | Path) -> Model:
    """The network of a run folder, of a .safetensors file or of the package.

    Raises: UserError: there is no such run or model, it is not finished, or its files are damaged.
    """
    path = Path(source)
    if path.suffix == ".safetensors":
        return read_exported(path)
    if path.suffix == ".onnx":
        raise UserError(f"{path} cannot be taken apart again; name the run folder or the .safetensors file")
    return load_model(folder_of(source))


def folder_of(source: str | Path) -> RunFolder:
    """The run folder that `source` is, or that has the model it names.

    Raises: UserError: there is none.
    """
    if str(source) in SHIPPED and not Path(source).exists():
        return RunFolder(Path(str(files("treehead") / "models" / str(source))))
    return RunFolder(Path(source)).checked()


def is_model(word: str) -> bool:
    """Whether `word` names a model and not images: a run folder, an exported file, or a model of the package."""
    path = Path(word)
    named = word in SHIPPED and not path.exists()
    return named or path.suffix in (".onnx", ".safetensors") or RunFolder(path).environment.exists()


def _load_onnx(path: Path) -> Classifier:
    require("onnxruntime", f"computing with {path}")
    from treehead.export.runtime import OnnxNetwork

    network = OnnxNetwork(path)
    about = read_about(path, network.about)
    return Classifier(about.tree, about.input_shape, about.config.decode, network.probabilities)
