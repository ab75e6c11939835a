"""Metrics of the whole tree: how severe the mistakes are, and whether the answers agree.

Axes: N images, L levels from the leaves up, K leaves. Severities are heights in the tree: 0 right, 1 wrong leaf but
right parent, ... L right at no level.
"""

from collections.abc import Sequence

import numpy as np

from treehead.metrics.flat import ranked
from treehead.records.run import PathOverlap
from treehead.types import Array, UserError


def severities(heights: Array, labels: Array, answers: Array) -> Array:
    """How severe every answer is: the height of the lowest common ancestor, 0 where it is right.

    Shapes: heights: (K, K) int, see `LabelTree.heights`; labels, answers: (N,) leaf ids; returns (N,).
    """
    return heights[labels, answers]


def severity_counts(heights: Array, labels: Array, answers: Array, *, num_levels: int) -> Array:
    """How many images have severity 0, 1, ... L. Shapes: as `severities`; returns (L + 1,) int64."""
    return np.bincount(severities(heights, labels, answers), minlength=num_levels + 1)


def mistake_severity(counts: Array) -> float | None:
    """Mean severity over the mistakes alone; None if there are none.

    Shapes: counts: (L + 1,), see `severity_counts`.
    Conventions: a bad classifier can score well here: never show it without accuracy.
    Source: Bertinetto et al. 2020, arXiv:1912.09393, section 4.1.
    """
    mistakes = counts[1:].sum()
    return float(counts @ np.arange(len(counts)) / mistakes) if mistakes else None


def severity_share(counts: Array) -> list[float] | None:
    """Share of the mistakes that have severity 1, ... L; None if there are none. Shapes: counts: (L + 1,)."""
    mistakes = counts[1:].sum()
    return [float(share) for share in counts[1:] / mistakes] if mistakes else None


def hd_at_k(heights: Array, labels: Array, leaf_scores: Array, *, k: int) -> float:
    """Mean over all images of the mean severity of the k highest scored leaves.

    Shapes: heights: (K, K); labels: (N,) leaf ids; leaf_scores: (N, K).
    Conventions: of equal scores the lower leaf id comes first; right images count (with 0 at k = 1).
    Raises: UserError: k is below 1 or above the number of leaves.
    Source: Bertinetto et al. 2020, arXiv:1912.09393, section 4.1.
    """
    if not 1 <= k <= len(heights):
        raise UserError(f"HD@{k} is not defined: k runs from 1 to the tree's {len(heights)} leaves")
    return float(heights[labels[:, None], ranked(leaf_scores, k)].mean())


def full_path_accuracy(labels: Array, answers: Array) -> float:
    """Share of images right at every level. Shapes: labels, answers: (N, L) class ids."""
    return float((labels == answers).all(axis=1).mean())


def tree_inconsistency(ancestors: Array, answers: Array) -> float:
    """Share of images whose answers at two levels contradict the tree.

    Shapes: ancestors: (L, K), see `LabelTree.ancestors`; answers: (N, L) class ids.
    Conventions: an image counts once, however many of its levels disagree; being wrong is no contradiction.
    """
    return float((answers != ancestors[:, answers[:, 0]].T).any(axis=1).mean())


def path_overlap(parents: Sequence[Sequence[int]], labels: Array, answers: Array) -> PathOverlap:
    """Hierarchical precision, recall and F1: how much of the answered and of the true path is shared.

        precision = sum_n |T_n & A_n| / sum_n |A_n|      recall = sum_n |T_n & A_n| / sum_n |T_n|
        f1 = 2 * precision * recall / (precision + recall)

    Shapes: parents: see `LabelTree`; labels, answers: (N, L) class ids.
    Conventions: T_n is the true class of every level; A_n the answers of all levels and all their ancestors, which are
        more than L classes where the answers contradict the tree. The root is left out of both: it is shared by all and
        would only lift every figure. Sums run over the images before they are divided. Where the answers are a path of
        the tree, all three are 1 - (mean severity) / L.
    Returns: fractions in [0, 1] named precision, recall and f1; all 0 where nothing is shared.
    Source: Kiritchenko et al. 2005; Silla & Freitas 2011, doi 10.1007/s10618-010-0175-9, section 7;
        Kosmopoulos et al. 2015, arXiv:1306.6802, section 3 (set-based measures).
    """
    shared = answered = 0
    claimed = np.empty((len(answers), 0), answers.dtype)  # the classes of one level that the answers name or imply
    for level in range(labels.shape[1]):
        if level:
            claimed = np.asarray(parents[level - 1], answers.dtype)[claimed]
        claimed = np.concatenate([claimed, answers[:, level : level + 1]], axis=1)
        shared += int((claimed == labels[:, level : level + 1]).any(axis=1).sum())
        answered += claimed.shape[0] + int((np.diff(np.sort(claimed, axis=1), axis=1) != 0).sum())
    precision, recall = shared / answered, shared / labels.size
    f1 = 2 * precision * recall / (precision + recall) if shared else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}
