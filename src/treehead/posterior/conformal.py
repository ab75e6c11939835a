"""Answers with a guarantee, from thresholds chosen on held-out images.

Axes: N images, L levels from the leaves up, K leaves.

Both guarantees hold on average over held-out and new images from the same distribution. They do not cover other images:
other classes, another camera.
"""

import math

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.types import Array, UserError

NEVER = float(np.nextafter(1.0, 2.0))
"""A threshold that no probability reaches."""


def risk_scores(confidences: Array, right: Array) -> Array:
    """The highest threshold at which each image's backed-off answer is still wrong.

    Shapes: confidences: (N, L), leaves first, of the answer at each level, never falling from leaf to root; right:
        (N, L) bool; returns (N,): the confidence of the least deep wrong answer, -1 where all are right.
    Conventions: the answer is the deepest one whose confidence reaches the threshold; no answer is not a wrong one.
        Ancestors of a right answer are right, so raising the threshold never makes an answer wrong.
    """
    wrong = np.where(right, -1.0, confidences)
    return wrong.max(axis=1)


def back_off_threshold(scores: Array, *, max_error: float) -> float:
    """The lowest threshold whose share of wrong answers is at most `max_error`, by conformal risk control.

        min t such that (#{n: scores[n] >= t} + 1) / (N + 1) <= max_error

    Shapes: scores: (N,), see `risk_scores`, of held-out images.
    Conventions: a new image drawn as the N were is then answered wrongly with at most that probability; the share is of
        all images, those without an answer included.
    Raises: UserError: max_error is not between 0 and 1, or N is too small for it.
    Source: Angelopoulos et al. 2022, arXiv:2208.02814, eq. 4; for answers along a tree Goren et al. 2024,
        arXiv:2405.11533.
    """
    allowed = _allowed(len(scores), max_error, "--max-error")
    falling = np.sort(scores)[::-1]
    return max(0.0, float(np.nextafter(falling[allowed], 2.0))) if allowed < len(scores) else 0.0


def nonconformity(leaves: Array, labels: Array) -> Array:
    """Nonconformity score of every image: 1 - leaves[n, labels[n]]. Shapes: (N, K), (N,) to (N,)."""
    return 1.0 - leaves[np.arange(len(labels)), labels]


def set_threshold(scores: Array, *, coverage: float) -> float:
    """The probability that a leaf needs to be in the prediction set, so that sets hold the truth often enough.

        1 - (the ceil((N + 1) * coverage)-th smallest score)

    Shapes: scores: (N,), see `nonconformity`, of held-out images.
    Raises: UserError: coverage is not between 0 and 1, or N is too small for it.
    Source: Sadinle et al. 2019, arXiv:1609.00451; Angelopoulos & Bates 2021, arXiv:2107.07511, section 1.
    """
    allowed = _allowed(len(scores), 1 - coverage, "--set")
    return 1.0 - float(np.sort(scores)[::-1][allowed])


def prediction_sets(leaves: Array, tree: LabelTree, *, threshold: float) -> list[list[tuple[int, int]]]:
    """Per image the fewest nodes whose leaves are exactly those of at least the threshold's probability.

    Shapes: leaves: (N, K); returns per image (level, class id), in the tree's order of leaves.
    Conventions: the most probable leaf is always among them, so that no set is empty.
    """
    chosen = leaves >= threshold
    chosen[np.arange(len(leaves)), leaves.argmax(axis=1)] = True
    return [_nodes(row, tree) for row in chosen]


def _nodes(chosen: Array, tree: LabelTree) -> list[tuple[int, int]]:
    """The fewest nodes that cover the chosen leaves and no other. Shapes: chosen: (K,) bool."""
    best = np.stack([np.zeros(tree.num_leaves, np.int64), np.arange(tree.num_leaves)])
    for level, ids in enumerate(tree.ancestors):
        full = np.bincount(ids, weights=chosen) == np.bincount(ids)
        best = np.where(full[ids], np.stack([np.full_like(ids, level), ids]), best)
    order = [leaf for leaf in tree.leaf_order.tolist() if chosen[leaf]]
    return list(dict.fromkeys((int(best[0, leaf]), int(best[1, leaf])) for leaf in order))


def needed_images(share: float) -> int:
    """The fewest held-out images by which a failure of at most `share` can be guaranteed."""
    return math.ceil(1 / share - 1e-9) - 1


def _allowed(count: int, share: float, option: str) -> int:
    """How many of `count` held-out images may fail.

    Raises: UserError: the share is not between 0 and 1, or too small for so few images.
    """
    if not 0 < share < 1:
        raise UserError(f"{option} must be between 0 and 1, exclusive")
    if count < needed_images(share):
        raise UserError(
            f"{option}: {count:,} held-out images are too few for this guarantee, which needs at least "
            f"{needed_images(share):,}"
        )
    return math.floor(share * (count + 1) + 1e-9) - 1
