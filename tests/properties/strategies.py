"""Trees of every shape, and predictions on them."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array


@dataclass(frozen=True, eq=False)
class Predictions:
    """Shapes: labels: (N, L) class ids; probabilities: per level (N, K_l), rows sum to 1."""

    tree: LabelTree
    labels: Array
    probabilities: list[Array]


@st.composite
def trees(draw: st.DrawFn, *, min_leaves: int = 1) -> LabelTree:
    """Up to 9 leaves under up to 4 levels, grouped anyhow: only children and single top classes among them."""
    sizes, parents = [draw(st.integers(min_leaves, 9))], []
    for _ in range(draw(st.integers(0, 3))):
        groups = draw(st.lists(st.integers(0, 4), min_size=sizes[-1], max_size=sizes[-1]))
        used, ids = np.unique(groups, return_inverse=True)  # no gaps in the ids: nobody is childless
        parents.append(tuple(ids.tolist()))
        sizes.append(len(used))
    levels = tuple(f"level_{level}" for level in range(len(sizes)))
    names = tuple(tuple(f"{level}_{i}" for i in range(size)) for level, size in zip(levels, sizes, strict=True))
    return LabelTree("made up", levels, names, tuple(parents))


@st.composite
def predictions(draw: st.DrawFn, *, ties: bool, min_leaves: int = 1) -> Predictions:
    """Up to 12 images on any tree. With ties, equal probabilities are common; without, none occur."""
    tree = draw(trees(min_leaves=min_leaves))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_images = draw(st.integers(1, 12))
    labels = tree.label_paths(rng.integers(tree.num_leaves, size=num_images))
    shapes = [(num_images, size) for size in tree.sizes]
    weights = [rng.integers(1, 4, shape).astype(float) if ties else rng.uniform(0.01, 1, shape) for shape in shapes]
    return Predictions(tree, labels, [level / level.sum(axis=1, keepdims=True) for level in weights])
