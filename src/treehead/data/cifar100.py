"""CIFAR-100's binary release: find it, read it."""

from pathlib import Path

import numpy as np

from treehead.data.dataset import Dataset, Images
from treehead.hierarchy.tree import LabelTree


def read(folder: Path, tree: LabelTree) -> Dataset:
    def images(name: str) -> Images:
        records = np.fromfile(folder / name, np.uint8).reshape(-1, 3074)
        return Images(records[:, 2:].reshape(-1, 3, 32, 32), tree.label_paths(records[:, 1].astype(np.int64)))

    return Dataset("cifar100", tree, images("train.bin"), images("test.bin"))
