"""Labels of a data set on the tree that a network was trained on, which may have changed since."""

import dataclasses

import numpy as np

from treehead.data.dataset import Dataset, Images
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError


def on_tree(dataset: Dataset, tree: LabelTree) -> Dataset:
    """The data set with its labels on another tree of the same leaves, in whatever order; unchanged on an equal tree.

    Conventions: leaves are matched by name; the name of a tree does not matter.
    Raises: UserError: the leaves differ, or an image whose leaf is not known has no place on the other tree.
    """
    if dataclasses.replace(dataset.tree, name=tree.name) == tree:
        return dataset
    ours, theirs = dataset.tree.names[0], tree.names[0]
    if set(ours) != set(theirs):
        name = min(set(ours) ^ set(theirs))
        place = "data set, but not of the run" if name in ours else "run, but not of its data set"
        raise UserError(f"{name!r} is a class of the {place}: the images have changed since the training; train again")
    leaf_of = np.array([theirs.index(name) for name in ours])
    parts = {part: getattr(dataset, part) for part in ("train", "test", "validation")}
    moved = {part: None if images is None else _moved(images, tree, leaf_of) for part, images in parts.items()}
    return dataclasses.replace(dataset, tree=tree, **moved)


def _moved(images: Images, tree: LabelTree, leaf_of: Array) -> Images:
    """Shapes: leaf_of: (K,), the id on `tree` of each leaf."""
    if (images.labels[:, 0] < 0).any():
        raise UserError(
            "the label tree has changed since the training, and some images have no leaf label; train again"
        )
    return Images(images.pixels, tree.label_paths(leaf_of[images.labels[:, 0]]))
