"""treehead as a scikit-learn classifier: what scikit-learn knows how to search, cross-validate and put into pipelines.

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
from treehead.hierarchy.sources import level_names
from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import classifier_of
from treehead.inference.model import load_model
from treehead.inference.prediction import Prediction
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
    raise UserError("TreeHeadClassifier needs scikit-learn: pip install 'treehead[sklearn]'") from None

Parents: TypeAlias = Mapping[Any, str | tuple[str, ...]]
"""What stands above each leaf label, nearest first; a lone name is the only one."""

BYTES = (0, 255)
CHANNELS = (1, 3)
"""How many an image may have: grey or RGB."""


class TreeHeadClassifier(ClassifierMixin, BaseEstimator):
    """A network with a head for every level of a label tree; `fit` trains as `treehead train` does.

    tree: {leaf: its parent} or {leaf: (parent, grandparent, ...)}; or a LabelTree, whose leaves are the labels as text;
        None: one level. Leaves that y does not hold are left out.
    image_shape: what a row of a two-dimensional X is: (H, W), (C, H, W) or (H, W, C); "row": a signal, as an image
        one pixel high. X of more dimensions says so itself.
    config: a whole RunConfig, or keys to change, as {"train.epochs": 5}. All images are trained on, but with
        data.split=90:10 a tenth of every class is held out, for the curves and figures of the run folder.
    folder: where run folders are kept, config.name, then config.name-2, ...; needs a data.split. None keeps none.
    random_state: None leaves config.seed. verbose: print a line per epoch.

    Fitted attributes: classes_ (K,); tree_; model_; n_features_in_ = F; image_shape_ = (C, H, W); pixel_range_, the
        numbers that became black and white; run_, the run folder, or None.

    Shapes: X: (N, H, W), (N, H, W, C), (N, C, H, W) or (N, F); y: (N,) leaf labels, numbers or strings.
    Conventions: whole numbers in 0..255 are bytes. Other numbers are scaled, so that the lowest of the training images
        is black and the highest white, and rounded to bytes; what lies beyond them later is cut off.
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

        Raises: UserError: X is no images, y holds one class, a label is not in the tree, the config does not fit;
            RunError: the training failed.
        """
        config = self._config()
        rows, shape = _flattened(X)
        rows, y = cast("tuple[Array, Array]", validate_data(self, rows, y))
        numbers = _channels_first(rows, shape or _row_shape(self.image_shape, rows.shape[1]))
        check_classification_targets(y)
        self.classes_, leaves = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"y holds one class only, {self.classes_[0]}; there is nothing to tell apart")
        self.tree_ = _tree_of(self.tree, self.classes_)
        self.image_shape_ = numbers.shape[1:]
        self.pixel_range_ = _range_of(numbers)
        images = Images(_bytes(numbers, self.pixel_range_), self.tree_.label_paths(leaves))
        # where nothing is held out, nobody reads the figures of the test: its folder is thrown away
        tested = [] if config.data.pool == "all" else np.unique(leaves, return_index=True)[1]
        dataset = Dataset("arrays", self.tree_, images, images.take(np.asarray(tested, np.int64)))
        with self._place(config.name) as root:
            run = start(config, root, load=lambda _: dataset, callback=_Lines(self.verbose))
            self.model_ = load_model(RunFolder(root))
        self.run_ = None if self.folder is None else run
        self._classifier = classifier_of(self.model_)
        return self

    def predict(self, X: Any) -> Array:
        """(N,) leaf labels, decoded as the config says."""
        leaves = self.predict_tree(X).answers[:, 0]
        return self.classes_[leaves]

    def predict_proba(self, X: Any) -> Array:
        """(N, K) float64: the leaf head's probabilities, columns as `classes_`."""
        return self.predict_tree(X).probabilities[0]

    def predict_tree(self, X: Any) -> Prediction:
        """The answers and probabilities of every level; the tree calls a leaf `str(label)`.

        Raises: UserError: the images are of another shape or kind than those of `fit`.
        """
        check_is_fitted(self, "model_")
        rows, shape = _flattened(X)
        rows = cast("Array", validate_data(self, rows, reset=False))
        numbers = _channels_first(rows, shape or _row_shape(self.image_shape, rows.shape[1]))
        if numbers.shape[1:] != self.image_shape_:
            raise UserError(f"X has images of shape {numbers.shape[1:]}, it was trained on {self.image_shape_}")
        return self._classifier.predict(_bytes(numbers, self.pixel_range_))

    def _config(self) -> RunConfig:
        config = self.config if isinstance(self.config, RunConfig) else changed(RunConfig(), self.config or {})
        held_out = config.data.split != "official"
        if self.folder is not None and not held_out:
            raise UserError(
                "a run folder's figures are of images that were not trained on: add data.split to the config, "
                "{'data.split': '90:10'}, or leave `folder` out"
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
        """All but the engine, which is built again from `model_`."""
        state = cast("dict[str, Any]", super().__getstate__())
        return {name: value for name, value in state.items() if name != "_classifier"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "model_"):
            self._classifier = classifier_of(self.model_)


class _Lines:
    """A line per epoch, of the training images alone, or nothing."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose

    def on_progress(self, progress: Progress) -> None:
        self._num_epochs = progress.num_epochs

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        if self._verbose:
            train, epoch = record["train"], f"epoch {record['epoch']}/{self._num_epochs}"
            heads = (f"{level} {100 * share:.1f} %" for level, share in train["accuracy"].items())
            print("  ".join([epoch, f"loss {train['loss']:.3f}", *heads]), flush=True)


def _tree_of(tree: LabelTree | Parents | None, classes: Array) -> LabelTree:
    """The tree of these leaves alone, leaf i being classes[i].

    Raises: UserError: a label is not in the tree; paths that make no tree.
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
        raise UserError(f"{missing[0]!r} is a label in y and no leaf of the tree")
    return LabelTree.from_paths(name, levels, paths)


def _above(path: str | tuple[str, ...]) -> tuple[str, ...]:
    return (path,) if isinstance(path, str) else tuple(path)


def _flattened(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Images as rows of numbers, with the shape of one; what has no more than two axes as it is, and None."""
    if getattr(X, "ndim", 0) not in (3, 4):
        return X, None
    return np.reshape(X, (len(X), math.prod(X.shape[1:]))), tuple(X.shape[1:])


def _row_shape(wanted: tuple[int, ...] | str | None, length: int) -> tuple[int, ...]:
    """The shape of the image that a row of `length` numbers is."""
    if wanted is None:
        raise UserError(
            f"X has rows of {length} numbers: say what image a row is, as image_shape=(H, W) or (C, H, W) or "
            "(H, W, C), or with image_shape='row' that it is a signal"
        )
    shape = (1, 1, length) if wanted == "row" else wanted
    if isinstance(shape, str) or len(shape) not in (2, 3) or math.prod(shape) != length:
        raise UserError(f"image_shape = {wanted!r} does not fit X, whose rows have {length} numbers")
    return shape


def _channels_first(rows: Array, shape: tuple[int, ...]) -> Array:
    """(N, F) -> (N, C, H, W), from images of shape (H, W), (C, H, W) or (H, W, C).

    Raises: UserError: neither the first nor the last axis can be the channels.
    """
    shape = (1, *shape) if len(shape) == 2 else shape
    images = rows.reshape(len(rows), *shape)
    if shape[0] in CHANNELS:
        return images
    if shape[2] in CHANNELS:
        return images.transpose(0, 3, 1, 2)
    raise UserError(f"images of shape {shape}: neither the first nor the last axis is 1 or 3 channels long")


def _range_of(numbers: Array) -> tuple[float, float]:
    """What becomes black and what white: 0 and 255 for bytes, else the least and the greatest number."""
    low, high = numbers.min(), numbers.max()
    if numbers.dtype.kind in "biu" and low >= 0 and high <= BYTES[1]:
        return BYTES
    if low == high:
        raise UserError(f"all numbers of X are {low:g}: there is nothing to see")
    return float(low), float(high)


def _bytes(numbers: Array, pixel_range: tuple[float, float]) -> Array:
    """Numbers as pixels, uint8, writable and C-contiguous.

    Raises: UserError: bytes were trained on, and these are none.
    """
    if pixel_range == BYTES:
        if numbers.dtype.kind not in "biu" or numbers.min() < 0 or numbers.max() > BYTES[1]:
            raise UserError(f"it was trained on bytes, whole numbers in 0..255; X is {numbers.dtype} or goes beyond")
        return np.require(numbers, np.uint8, ["C", "W"])
    low, high = pixel_range
    share = (np.clip(numbers, low, high).astype(np.float64) - low) / (high - low)
    return np.require(np.rint(share * BYTES[1]), np.uint8, ["C", "W"])
