"""Answers of a trained network, and what may be asked of them.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from treehead.decode import path_shares
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.flat import ranked
from treehead.metrics.selective import deepest_confident
from treehead.types import Array, UserError


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Answers for some images.

    Shapes: probabilities: per level (N, K_l) float64, rows sum to 1; answers: (N, L) int64 class ids.
    Conventions: probabilities are calibrated, where the run had images to fit temperatures on; under a subtree they are
        those of its classes alone.
    """

    tree: LabelTree
    probabilities: tuple[Array, ...]
    answers: Array

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def confidences(self) -> Array:
        """(N, L) float64: each head's probability of the answer at its level."""
        rows = np.arange(len(self))
        return np.stack([level[rows, ids] for level, ids in zip(self.probabilities, self.answers.T, strict=True)], 1)

    def names(self) -> list[tuple[str, ...]]:
        """The answer of every image at every level, leaves first."""
        return [tuple(names[i] for names, i in zip(self.tree.names, answer, strict=True)) for answer in self.answers]

    def as_dicts(self) -> list[dict[str, dict[str, Any]]]:
        """Per image: {level: {"answer": name, "probability": that head's probability of it}}."""
        return [
            {
                level: {"answer": name, "probability": float(share)}
                for level, name, share in zip(self.tree.levels, path, sure, strict=True)
            }
            for path, sure in zip(self.names(), self.confidences, strict=True)
        ]

    def top_paths(self, k: int) -> "TopPaths":
        """The k paths of the tree that the heads agree on most, best first.

        Conventions: ranked by the product of the heads' probabilities along the path, as the decode `path` ranks; of
            equal ones the lower leaf id first. The first is the answer where the model decodes by `path`; another
            decode may answer differently.
        Raises: UserError: k is below 1 or above the number of leaves.
        """
        if not 1 <= k <= self.tree.num_leaves:
            raise UserError(f"there are {self.tree.num_leaves} paths in tree {self.tree.name!r}; {k} cannot be told")
        shares = path_shares(list(self.probabilities), self.tree)
        leaves = ranked(shares, k)
        return TopPaths(self.tree, leaves, np.take_along_axis(shares, leaves, axis=1))

    def confident_levels(self, threshold: float) -> Array:
        """(N,) int: the deepest level whose confidence reaches `threshold` in [0, 1]; L where no level does.

        Raises: UserError: the threshold is no probability.
        """
        if not 0 <= threshold <= 1:
            raise UserError(f"a confidence lies between 0 and 1, not at {threshold:g}")
        return deepest_confident(self.confidences, threshold=threshold)

    def backed_off(self, threshold: float) -> "list[Answer | None]":
        """Per image the answer at the deepest level whose confidence reaches `threshold`; None where no level does.

        Raises: UserError: the threshold is no probability.
        """
        levels, sure = self.confident_levels(threshold), self.confidences
        return [
            Answer(self.tree.levels[level], self.tree.names[level][self.answers[row, level]], float(sure[row, level]))
            if level < len(self.tree.levels)
            else None
            for row, level in enumerate(levels)
        ]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer at one level, and its head's probability of it."""

    level: str
    name: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class TopPaths:
    """The best k paths of some images, best first.

    Shapes: leaves: (N, k) int64 leaf ids; shares: (N, k) float64, of all paths' agreement; see `decode.path_shares`.
    """

    tree: LabelTree
    leaves: Array
    shares: Array

    def __iter__(self) -> Iterator[list[tuple[tuple[str, ...], float]]]:
        """Per image its k paths: the names from the leaf up, and the share."""
        for leaves, shares in zip(self.leaves, self.shares, strict=True):
            yield [(self.tree.path_names(leaf), float(share)) for leaf, share in zip(leaves, shares, strict=True)]
