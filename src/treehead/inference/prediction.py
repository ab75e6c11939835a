"""The predictions of a trained network.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from treehead.decode import confidences
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.flat import ranked
from treehead.metrics.selective import deepest_confident
from treehead.posterior.conformal import prediction_sets
from treehead.posterior.held_out import Calibration
from treehead.types import Array, UserError


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Answers and probabilities for N images, at every level of the label tree.

    All are read from one distribution over the leaves, the posterior: the probability of a node is the sum of those of
    the leaves below it, so that it never falls from leaf to root. Levels, and paths of the tree, run from the leaves
    up. If the prediction was restricted to a subtree, only its classes have probability.

    Attributes:
        tree: The label tree.
        probabilities: For each level an array (N, number of classes), float64; rows sum to 1.
        answers: Class ids, (N, number of levels), int64.
        leaf_scores: The decoder's ranking of the leaves, (N, number of leaves): the answer has the highest score.
        decode: The decoder.
        calibration: How the posterior was calibrated, and the thresholds of guarantees.
    """

    tree: LabelTree
    probabilities: tuple[Array, ...]
    answers: Array
    leaf_scores: Array
    decode: str
    calibration: Calibration

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, images: slice) -> "Prediction":
        """The prediction for some of the images."""
        return dataclasses.replace(
            self,
            probabilities=tuple(level[images] for level in self.probabilities),
            answers=self.answers[images],
            leaf_scores=self.leaf_scores[images],
        )

    @property
    def confidences(self) -> Array:
        """The probability of each answer, (N, number of levels), float64."""
        return confidences(self.probabilities, self.answers)

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

        Paths are ranked as by the decoder, so that the first one is the answer: by `crm` in order of expected severity,
        so that a less probable path may come before a more probable one that would be a worse mistake.

        Args:
            k: Number of paths, between 1 and the number of leaves.

        Returns:
            The paths, best first. Iterate over them for names and probabilities.

        Raises:
            UserError: k is out of range.
        """
        if not 1 <= k <= self.tree.num_leaves:
            raise UserError(f"k must be between 1 and {self.tree.num_leaves}, not {k}")
        leaves = ranked(self.leaf_scores, k)
        return TopPaths(self.tree, leaves, np.take_along_axis(self.probabilities[0], leaves, axis=1))

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
        return self._answers_at(self.confident_levels(threshold))

    def within_error(self, max_error: float) -> "list[Answer | None]":
        """The deepest answers that keep the fraction of wrong ones at or below a bound.

        The threshold was chosen on held-out images by conformal risk control: on average over images like those, at
        most `max_error` of all images get a wrong answer. An image without an answer is not a wrong one.

        Args:
            max_error: Between 0 and 1, exclusive.

        Returns:
            One answer for each image, or None where even the top level is too unsure.

        Raises:
            UserError: The bound is out of range, the model has no held-out images or too few for it, or the prediction
                was restricted to a subtree.
        """
        threshold = self.calibration.back_off_threshold(max_error, decoder=self.decode)
        return self._answers_at(deepest_confident(self.confidences, threshold=threshold))

    def sets(self, coverage: float) -> "list[list[Answer]]":
        """Prediction sets: the fewest nodes that hold the true leaf with a given probability.

        The threshold was chosen on held-out images (split conformal prediction): on average over images like those,
        the true leaf is below one of the nodes with at least that probability.

        Args:
            coverage: Between 0 and 1, exclusive.

        Returns:
            For each image the nodes of its set, at least one.

        Raises:
            UserError: The coverage is out of range, the model has no held-out images or too few for it, or the
                prediction was restricted to a subtree.
        """
        threshold = self.calibration.set_threshold(coverage)
        sets = prediction_sets(self.probabilities[0], self.tree, threshold=threshold)
        return [[self._answer(row, level, node) for level, node in nodes] for row, nodes in enumerate(sets)]

    def _answer(self, row: int, level: int, node: int) -> "Answer":
        name, probability = self.tree.names[level][node], self.probabilities[level][row, node]
        return Answer(self.tree.levels[level], name, float(probability))

    def _answers_at(self, levels: Array) -> "list[Answer | None]":
        """Shapes: levels: (N,), the number of levels for no answer."""
        return [
            self._answer(row, level, self.answers[row, level]) if level < len(self.tree.levels) else None
            for row, level in enumerate(levels.tolist())
        ]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer at one level.

    Attributes:
        level: Name of the level.
        name: Name of the class.
        probability: Its probability.
    """

    level: str
    name: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class TopPaths:
    """The k best paths of the tree for each image, best first.

    Iteration yields, for each image, a list of k pairs: the names of the path, leaf first, and its probability.

    Attributes:
        tree: The label tree.
        leaves: The leaf ids of the paths, (N, k), int64.
        probabilities: The probabilities of these leaves, (N, k), float64.
    """

    tree: LabelTree
    leaves: Array
    probabilities: Array

    def __iter__(self) -> Iterator[list[tuple[tuple[str, ...], float]]]:
        for leaves, probabilities in zip(self.leaves, self.probabilities, strict=True):
            yield [(self.tree.path_names(leaf), float(p)) for leaf, p in zip(leaves, probabilities, strict=True)]
