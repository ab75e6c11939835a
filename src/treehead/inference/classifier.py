"""A trained network that classifies images.

Axes: N images, C channels, H W image, K_l classes of level l.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from PIL.Image import Image

from treehead.config import changed
from treehead.data.image_file import pixels_of
from treehead.decode import decode, restricted
from treehead.extras import require
from treehead.hierarchy.subtree import leaves_under
from treehead.hierarchy.tree import LabelTree
from treehead.inference.exported import read_exported, read_metadata
from treehead.inference.model import Model, build_engine, load_model
from treehead.inference.prediction import Prediction
from treehead.metrics.flat import softmax
from treehead.posterior.held_out import Calibration, uncalibrated
from treehead.posterior.pooling import node_probabilities, pool, restricted_leaves
from treehead.runfiles import RunFolder
from treehead.types import Array, UserError

Network: TypeAlias = Callable[[Array], list[Array]]
"""From pixels, (N, C, H, W) uint8, to the logits of every level, each (N, number of classes) float32."""

SHIPPED = ("cifar100",)
"""Trained models that are part of the package."""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A trained network that classifies images at every level of its label tree.

    Use `treehead.load` to get one.

    Attributes:
        tree: The label tree.
        input_shape: (channels, height, width) of the network's input.
        decode: The decoder that turns probabilities into one answer per level.
        calibration: How the heads are pooled into one distribution over the leaves, and the thresholds of guarantees.
        logits: The network: a function from pixels to the logits of every head.
    """

    tree: LabelTree
    input_shape: tuple[int, int, int]
    decode: str
    calibration: Calibration
    logits: Network

    def predict(
        self, images: "Array | Path | str | Image | Iterable[Path | str | Image]", *, under: str | None = None
    ) -> Prediction:
        """Classify images.

        Args:
            images: One image or any iterable of images: paths or images of Pillow's, which are resized to the network's
                input, or an array of pixels, (N, C, H, W) or (C, H, W) uint8, that already has this size.
            under: A node of the tree, such as "fish" or "superclass:fish". Only the classes below it are considered.

        Returns:
            The answers, and the probability of every node of the tree, for one view of each image.

        Raises:
            UserError: There are no images, a file is not an image, an array has another shape or dtype, or the tree
                has no such node.
        """
        leaves = None if under is None else leaves_under(self.tree, under)
        pixels = pixels_of(images, self.input_shape)
        logits = self.logits(pixels)
        heads = [softmax(level) for level in logits]
        posterior = pool(logits, self.tree, self.calibration.weights)
        calibration = self.calibration
        if leaves is not None:
            heads, posterior = restricted(heads, self.tree, leaves), restricted_leaves(posterior, leaves)
            calibration = uncalibrated(len(self.tree.levels), f"the answers are restricted to {under}")
        nodes = node_probabilities(posterior, self.tree)
        decoded = decode(self.decode, nodes, self.tree, heads=heads)
        return Prediction(
            self.tree, tuple(nodes), decoded.answers, decoded.leaf_scores, decode=self.decode, calibration=calibration
        )


def classifier_of(model: Model) -> Classifier:
    """A classifier that runs a model on the engine and the device that its config names."""
    return Classifier(
        model.tree, model.spec.input_shape, model.config.decode, model.calibration, build_engine(model).predict
    )


def load(source: str | Path, *, changes: Mapping[str, object] | None = None) -> Classifier:
    """Load a trained network.

    An .onnx file runs on ONNX Runtime and needs no torch. Everything else runs on the engine that the run's config
    names.

    Args:
        source: A run folder, an exported .onnx or .safetensors file, or the name of a model of the package
            ("cifar100").
        changes: Overrides of the run's config, such as ``{"engine.kind": "scratch"}``; not for .onnx files.

    Returns:
        A classifier.

    Raises:
        UserError: There is no such run or model, its files are damaged, or the extra `onnx` is not installed.
    """
    path = Path(source)
    if path.suffix == ".onnx":
        if changes:
            raise UserError(
                f"{path} runs on ONNX Runtime, so {', '.join(changes)} cannot be changed; "
                "use a run folder or a .safetensors file"
            )
        return _load_onnx(path)
    model = open_model(source)
    return classifier_of(dataclasses.replace(model, config=changed(model.config, changes or {})))


def open_model(source: str | Path) -> Model:
    """The model in a run folder, in a .safetensors file or of the package.

    Raises: UserError: there is no such run or model, it is not finished, or its files are damaged.
    """
    path = Path(source)
    if path.suffix == ".safetensors":
        return read_exported(path)
    if path.suffix == ".onnx":
        raise UserError(f"{path} cannot be converted back to a model; use the run folder or a .safetensors file")
    return load_model(folder_of(source))


def folder_of(source: str | Path) -> RunFolder:
    """The run folder at `source`, or of the model of the package with this name.

    Raises: UserError: there is none.
    """
    if str(source) in SHIPPED and not Path(source).exists():
        return RunFolder(Path(str(files("treehead") / "models" / str(source))))
    return RunFolder(Path(source)).checked()


def is_model(argument: str) -> bool:
    """Whether a command-line argument names a model (a run folder, an exported file, a model of the package)."""
    path = Path(argument)
    shipped = argument in SHIPPED and not path.exists()
    return shipped or path.suffix in (".onnx", ".safetensors") or RunFolder(path).environment.exists()


def _load_onnx(path: Path) -> Classifier:
    require("onnxruntime", "onnx")
    from treehead.export.runtime import OnnxNetwork

    network = OnnxNetwork(path)
    metadata = read_metadata(path, network.metadata)
    tree, calibration = metadata.tree, metadata.calibration
    network.check(tree.levels, tree.sizes, metadata.input_shape)
    if not network.has_logits:  # its probabilities are at their temperatures already
        calibration = uncalibrated(len(tree.levels), "the file was exported by an earlier version")
    return Classifier(tree, metadata.input_shape, metadata.config.decode, calibration, network.logits)
