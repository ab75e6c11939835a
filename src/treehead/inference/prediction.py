"""The predictions of a trained network.

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
    """Answers and probabilities for N images, at every level of the label tree.

    Levels, and paths of the tree, run from the leaves up. Probabilities are calibrated if the run had validation
    images to fit temperatures on. If the prediction was restricted to a subtree, only its classes have probability.

    Attributes:
        tree: The label tree.
        probabilities: For each level an array (N, number of classes), float64; rows sum to 1.
        answers: Class ids, (N, number of levels), int64.
    """

    tree: LabelTree
    probabilities: tuple[Array, ...]
    answers: Array

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def confidences(self) -> Array:
        """The probability of each answer by the head of its level, (N, number of levels), float64."""
        rows = np.arange(len(self))
        return np.stack([level[rows, ids] for level, ids in zip(self.probabilities, self.answers.T, strict=True)], 1)

    def names(self) -> list[tuple[str, ...]]:
        """Class names of the answers.

        Returns:
            For each image the names of the answers at every level, leaf first.
        """
        return [tuple(names[i] for names, i in zip(self.tree.names, answer, strict=True)) for answer in self.answers]

    def as_dicts(self) -> list[dict[str, dict[str, Any]]]:
        """The answers as plain dictionaries.

        Returns:
            For each image ``{level: {"answer": name, "probability": confidence}}``.
        """
        return [
            {
                level: {"answer": name, "probability": float(confidence)}
                for level, name, confidence in zip(self.tree.levels, path, confidences, strict=True)
            }
            for path, confidences in zip(self.names(), self.confidences, strict=True)
        ]

    def top_paths(self, k: int) -> "TopPaths":
        """The k best paths of the tree for each image.

        Paths are ranked by the product of the heads' probabilities along them, ties by leaf id. This is the ranking of
        the decoder `path`; with another decoder the answer may differ from the first path.

        Args:
            k: Number of paths, between 1 and the number of leaves.

        Returns:
            The paths, best first. Iterate over them for names and shares.

        Raises:
            UserError: k is out of range.
        """
        if not 1 <= k <= self.tree.num_leaves:
            raise UserError(f"k must be between 1 and {self.tree.num_leaves}, not {k}")
        shares = path_shares(list(self.probabilities), self.tree)
        leaves = ranked(shares, k)
        return TopPaths(self.tree, leaves, np.take_along_axis(shares, leaves, axis=1))

    def confident_levels(self, threshold: float) -> Array:
        """The deepest level whose confidence is at least a threshold.

        Args:
            threshold: Between 0 and 1.

        Returns:
            A level index for each image, (N,); the number of levels if no level reaches the threshold.

        Raises:
            UserError: The threshold is out of range.
        """
        if not 0 <= threshold <= 1:
            raise UserError(f"the threshold must be between 0 and 1, not {threshold:g}")
        return deepest_confident(self.confidences, threshold=threshold)

    def backed_off(self, threshold: float) -> "list[Answer | None]":
        """The answer at the deepest level whose confidence is at least a threshold.

        Args:
            threshold: Between 0 and 1.

        Returns:
            One answer for each image, or None if no level reaches the threshold.

        Raises:
            UserError: The threshold is out of range.
        """
        levels, confidences = self.confident_levels(threshold), self.confidences
        return [
            Answer(
                self.tree.levels[level],
                self.tree.names[level][self.answers[row, level]],
                float(confidences[row, level]),
            )
            if level < len(self.tree.levels)
            else None
            for row, level in enumerate(levels)
        ]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer at one level.

    Attributes:
        level: Name of the level.
        name: Name of the class.
        probability: Its probability by the head of this level.
    """

    level: str
    name: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class TopPaths:
    """The k best paths of the tree for each image, best first.

    Iteration yields, for each image, a list of k pairs: the names of the path, leaf first, and its share.

    Attributes:
        tree: The label tree.
        leaves: The leaf ids of the paths, (N, k), int64.
        shares: The product of the heads' probabilities along each path, divided by its sum over all paths, (N, k),
            float64.
    """

    tree: LabelTree
    leaves: Array
    shares: Array

    def __iter__(self) -> Iterator[list[tuple[tuple[str, ...], float]]]:
        for leaves, shares in zip(self.leaves, self.shares, strict=True):
            yield [(self.tree.path_names(leaf), float(share)) for leaf, share in zip(leaves, shares, strict=True)]
