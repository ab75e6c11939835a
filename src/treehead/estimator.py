"""TreeHeadClassifier, for the cross-validation, parameter search and pipelines of scikit-learn.

Axes: N images, C channels, H W image, F = C * H * W numbers, K leaves, L levels.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeAlias, cast

import numpy as np

from treehead.config import RunConfig, changed
from treehead.data.dataset import Dataset, Images
from treehead.extras import require
from treehead.hierarchy.sources import level_names
from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import classifier_of
from treehead.inference.model import load_model
from treehead.inference.prediction import Prediction
from treehead.records.run import EpochRecord
from treehead.run.runner import start
from treehead.runfiles import RunFolder, free_folder
from treehead.training.loop import Progress
from treehead.types import Array, UserError

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError:
    require("sklearn")
    raise

Parents: TypeAlias = Mapping[Any, str | tuple[str, ...]]
"""The classes above each leaf label, nearest first; a single name is the only one."""

BYTES = (0, 255)
CHANNELS = (1, 3)
"""Possible numbers of channels: grey or RGB."""


class TreeHeadClassifier(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier: a network with a head for every level of a label tree.

    X may be an array of images, (N, H, W), (N, H, W, C) or (N, C, H, W) with one or three channels, or of rows,
    (N, F), whose layout `image_shape` names. Whole numbers from 0 to 255 are used as bytes. Other numbers are scaled so
    that the training images cover 0 to 255, then rounded; at prediction, numbers outside that range are clipped. y
    holds leaf labels, numbers or strings.

    Args:
        tree: The label tree: ``{leaf: parent}``, ``{leaf: (parent, grandparent, ...)}``, or a `LabelTree` whose leaf
            names are the labels as text. Leaves that are not in y are ignored. None stands for a single level.
        image_shape: The shape of the image in a row of a two-dimensional X: (H, W), (C, H, W) or (H, W, C), or "row"
            for a signal, an image one pixel high. Ignored for other X.
        config: A `RunConfig`, or overrides such as ``{"train.epochs": 5}``. Without a `data.split`, all images are
            used for training; with ``{"data.split": "90:10"}``, a tenth of every class is held out for the metrics of
            the run folder.
        folder: Where to keep run folders, named config.name, config.name-2, and so on; needs a `data.split`. None
            keeps none.
        random_state: The seed, or a generator of one. None uses the seed of the config.
        verbose: Whether to print a line per epoch.

    Attributes:
        classes_: The leaf labels, (K,).
        tree_: The label tree of these classes.
        model_: The trained network.
        n_features_in_: Numbers per image.
        image_shape_: (C, H, W) of the images.
        pixel_range_: The numbers that became 0 and 255.
        run_: The run folder, or None.
    """

    def __init__(
        self,
        *,
        tree: LabelTree | Parents | None = None,
        image_shape: tuple[int, ...] | str | None = None,
        config: RunConfig | Mapping[str, object] | None = None,
        folder: Path | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.tree = tree
        self.image_shape = image_shape
        self.config = config
        self.folder = folder
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train from scratch.

        Args:
            X: Training images; see the class for their shapes.
            y: Leaf labels, (N,).

        Returns:
            The estimator itself.

        Raises:
            UserError: X does not hold images, y has a single class or a label outside the tree, or the config does not
                fit the data.
            RunError: The training failed.
        """
        config = self._config()
        rows, shape = _flattened(X)
        rows, y = cast("tuple[Array, Array]", validate_data(self, rows, y))
        numbers = _channels_first(rows, shape or _row_shape(self.image_shape, rows.shape[1]))
        check_classification_targets(y)
        self.classes_, leaves = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"y has one class only, {self.classes_[0]}; a classifier needs at least two")
        self.tree_ = _tree_of(self.tree, self.classes_)
        self.image_shape_ = numbers.shape[1:]
        self.pixel_range_ = _range_of(numbers)
        pixels = _bytes(numbers, self.pixel_range_)
        dataset = _dataset(pixels, self.tree_, leaves, held_out=config.data.pool == "all")
        with self._place(config.name) as root:
            run = start(config, root, load=lambda _: dataset, callback=_Lines(self.verbose))
            self.model_ = load_model(RunFolder(root))
        self.run_ = None if self.folder is None else run
        self._classifier = classifier_of(self.model_)
        return self

    def predict(self, X: Any) -> Array:
        """Predict leaf labels, with the decoder of the config.

        Args:
            X: Images of the shape that `fit` was given.

        Returns:
            Labels, (N,).

        Raises:
            UserError: The images have another shape or another kind of numbers than those of `fit`.
        """
        leaves = self.predict_tree(X).answers[:, 0]
        return self.classes_[leaves]

    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of the leaf labels, by the posterior over the leaves.

        Args:
            X: Images of the shape that `fit` was given.

        Returns:
            Probabilities, (N, K) float64, with columns in the order of `classes_`.

        Raises:
            UserError: The images have another shape or another kind of numbers than those of `fit`.
        """
        return self.predict_tree(X).probabilities[0]

    def predict_tree(self, X: Any) -> Prediction:
        """Predict every level of the tree.

        Args:
            X: Images of the shape that `fit` was given.

        Returns:
            Answers and probabilities at every level; the leaf names are the labels as text.

        Raises:
            UserError: The images have another shape or another kind of numbers than those of `fit`.
        """
        check_is_fitted(self, "model_")
        rows, shape = _flattened(X)
        rows = cast("Array", validate_data(self, rows, reset=False))
        numbers = _channels_first(rows, shape or _row_shape(self.image_shape, rows.shape[1]))
        if numbers.shape[1:] != self.image_shape_:
            raise UserError(f"X has images of shape {numbers.shape[1:]}, but fit was given shape {self.image_shape_}")
        return self._classifier.predict(_bytes(numbers, self.pixel_range_))

    def _config(self) -> RunConfig:
        config = self.config if isinstance(self.config, RunConfig) else changed(RunConfig(), self.config or {})
        held_out = config.data.split != "official"
        if self.folder is not None and not held_out:
            raise UserError(
                "a run folder needs held-out images for its metrics; add a split to the config, such as "
                "{'data.split': '90:10'}, or leave out `folder`"
            )
        changes = {"data.name": "arrays", "data.root": None, "data.pool": "all" if held_out else "train"}
        if self.random_state is not None:
            changes["seed"] = int(check_random_state(self.random_state).randint(2**31 - 1))
        return changed(config, changes)

    @contextmanager
    def _place(self, name: str) -> Iterator[Path]:
        if self.folder is not None:
            yield free_folder(Path(self.folder), name)
        else:
            with TemporaryDirectory(prefix="treehead-") as folder:
                yield Path(folder) / name

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the engine, which is rebuilt from `model_`."""
        state = cast("dict[str, Any]", super().__getstate__())
        return {name: value for name, value in state.items() if name != "_classifier"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "model_"):
            self._classifier = classifier_of(self.model_)


class _Lines:
    """Prints a line per epoch with the training metrics, or nothing."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose

    def on_progress(self, progress: Progress) -> None:
        self._num_epochs = progress.num_epochs

    def on_epoch_end(self, record: EpochRecord) -> None:
        if self._verbose:
            train, epoch = record["train"], f"epoch {record['epoch']}/{self._num_epochs}"
            heads = (f"{level} {100 * share:.1f} %" for level, share in train["accuracy"].items())
            print("  ".join([epoch, f"loss {train['loss']:.3f}", *heads]), flush=True)


def _dataset(pixels: Array, tree: LabelTree, leaves: Array, *, held_out: bool) -> Dataset:
    """All images as training images; if the split holds none out, the first one of every class as test image too.

    Every run needs test images. The metrics of such a run are meaningless, and its folder is deleted.
    """
    images = Images(pixels, tree.label_paths(leaves))
    tested = [] if held_out else np.unique(leaves, return_index=True)[1]
    return Dataset("arrays", tree, images, images.take(np.asarray(tested, np.int64)))


def _tree_of(tree: LabelTree | Parents | None, classes: Array) -> LabelTree:
    """The tree of these classes; leaf i is classes[i].

    Raises: UserError: a label is not in the tree, or the paths do not form a tree.
    """
    names = [str(label) for label in classes]
    if isinstance(tree, LabelTree):
        places = {name: tree.path_names(leaf) for leaf, name in enumerate(tree.names[0])}
        missing = [name for name in names if name not in places]
        name, levels, paths = tree.name, tree.levels, [places.get(name, ()) for name in names]
    else:
        above: Parents = dict.fromkeys(classes, ()) if tree is None else tree
        missing = [name for name, label in zip(names, classes, strict=True) if label not in above]
        paths = [(name, *_above(above.get(label, ()))) for name, label in zip(names, classes, strict=True)]
        name, levels = "labels", level_names(max(map(len, paths)))
    if missing:
        raise UserError(f"{missing[0]!r} is a label in y but not a leaf of the tree")
    return LabelTree.from_paths(name, levels, paths)


def _above(path: str | tuple[str, ...]) -> tuple[str, ...]:
    return (path,) if isinstance(path, str) else tuple(path)


def _flattened(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images as rows and the shape of one image; an X of another number of axes is returned as it is, with None."""
    if getattr(X, "ndim", 0) not in (3, 4):
        return X, None
    return np.reshape(X, (len(X), math.prod(X.shape[1:]))), tuple(X.shape[1:])


def _row_shape(image_shape: tuple[int, ...] | str | None, length: int) -> tuple[int, ...]:
    """The shape of the image in a row of `length` numbers."""
    if image_shape is None:
        raise UserError(
            f"X has rows of {length} numbers; set image_shape to (H, W), (C, H, W) or (H, W, C), or to 'row' if they "
            "are signals"
        )
    shape = (1, 1, length) if image_shape == "row" else image_shape
    if isinstance(shape, str) or len(shape) not in (2, 3) or math.prod(shape) != length:
        raise UserError(f"image_shape = {image_shape!r} does not fit X, whose rows have {length} numbers")
    return shape


def _channels_first(rows: Array, shape: tuple[int, ...]) -> Array:
    """(N, F) -> (N, C, H, W), from images of shape (H, W), (C, H, W) or (H, W, C).

    Raises: UserError: neither the first nor the last axis has one or three channels.
    """
    shape = (1, *shape) if len(shape) == 2 else shape
    images = rows.reshape(len(rows), *shape)
    if shape[0] in CHANNELS:
        return images
    if shape[2] in CHANNELS:
        return images.transpose(0, 3, 1, 2)
    raise UserError(f"images of shape {shape} have neither 1 nor 3 channels in their first or last axis")


def _range_of(numbers: Array) -> tuple[float, float]:
    """The numbers that become 0 and 255: these themselves for bytes, else the minimum and the maximum."""
    low, high = numbers.min(), numbers.max()
    if numbers.dtype.kind in "biu" and low >= 0 and high <= BYTES[1]:
        return BYTES
    if low == high:
        raise UserError(f"all numbers of X are {low:g}")
    return float(low), float(high)


def _bytes(numbers: Array, pixel_range: tuple[float, float]) -> Array:
    """Numbers as pixels, uint8, writable and C-contiguous.

    Raises: UserError: `pixel_range` is that of bytes, and these are not; or most are far outside of it.
    """
    if pixel_range == BYTES:
        if numbers.dtype.kind not in "biu" or numbers.min() < 0 or numbers.max() > BYTES[1]:
            raise UserError(f"fit was given whole numbers from 0 to 255; X has dtype {numbers.dtype} or other values")
        return np.require(numbers, np.uint8, ["C", "W"])
    low, high = pixel_range
    if 2 * np.count_nonzero((numbers > 2 * high - low) | (numbers < 2 * low - high)) > numbers.size:
        raise UserError(
            f"fit was given numbers from {low:g} to {high:g}; most of X is far outside, from {numbers.min():g} to "
            f"{numbers.max():g}: scale it alike"
        )
    share = (np.clip(numbers, low, high).astype(np.float64) - low) / (high - low)
    return np.require(np.rint(share * BYTES[1]), np.uint8, ["C", "W"])
