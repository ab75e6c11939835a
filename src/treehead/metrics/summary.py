"""Every metric of one set of predictions, as a value that JSON can hold."""

from typing import Any

from treehead.hierarchy.severity import chance_shares
from treehead.hierarchy.tree import LabelTree
from treehead.metrics import flat, hierarchical
from treehead.types import Array, UserError

HD_KS = (1, 5, 20)
"""HD@k is told for these k, as far as the tree has leaves."""


def summarise(
    tree: LabelTree,
    *,
    labels: Array,
    answers: Array,
    probabilities: list[Array],
    leaf_scores: Array | None = None,
) -> dict[str, Any]:
    """Measure predictions at every level and along the tree.

    Shapes: labels, answers: (N, L) class ids; probabilities: per level (N, K_l); leaf_scores: (N, K).
    Conventions: accuracy, severities and confusion are of `answers`; top-5, loss and calibration of each head's
        `probabilities`; HD@k of the ranking of `leaf_scores`, or of the leaf head's probabilities without them.
        A label of -1 is not known: the figures of a level are over the images known there (`known` says how many),
        severities, HD@k and paths over those whose leaf is known. `recall` is the share of every class's images
        that was answered right, None for a class without images.
    Raises: UserError: there are no images, or none known at some level.
    """
    if not len(labels):
        raise UserError("there are no images to measure on")
    if not (labels >= 0).any(axis=0).all():
        raise UserError("there are levels that no image to measure on is known at")
    leaf_scores = probabilities[0] if leaf_scores is None else leaf_scores
    full = labels[:, 0] >= 0
    per_level = {level: _of_level(labels[:, i], answers[:, i], probabilities[i]) for i, level in enumerate(tree.levels)}
    return {
        "images": len(labels),
        **{key: {level: found[key] for level, found in per_level.items()} for key in next(iter(per_level.values()))},
        **severity_figures(tree, labels=labels[full, 0], answers=answers[full, 0], leaf_scores=leaf_scores[full]),
        "full_path_accuracy": hierarchical.full_path_accuracy(labels[full], answers[full]),
        "tree_inconsistency": hierarchical.tree_inconsistency(tree.ancestors, answers),
        "hierarchical": hierarchical.path_overlap(tree.parents, labels[full], answers[full]),
    }


def severity_figures(tree: LabelTree, *, labels: Array, answers: Array, leaf_scores: Array) -> dict[str, Any]:
    """How severe the mistakes at the leaves are on `tree`, which need not be the one that was trained on.

    Shapes: labels, answers: (N,) leaf ids; leaf_scores: (N, K).
    """
    counts = hierarchical.severity_counts(tree.heights, labels, answers, num_levels=len(tree.levels))
    return {
        "severity_counts": counts.tolist(),
        "severity_share": hierarchical.severity_share(counts),
        "severity_chance": chance_shares(tree).tolist(),
        "mistake_severity": hierarchical.mistake_severity(counts),
        "hd": {
            str(k): hierarchical.hd_at_k(tree.heights, labels, leaf_scores, k=k) for k in HD_KS if k <= tree.num_leaves
        },
    }


def _of_level(labels: Array, answers: Array, probabilities: Array) -> dict[str, Any]:
    num_classes, known = probabilities.shape[1], labels >= 0
    labels, answers, probabilities = labels[known], answers[known], probabilities[known]
    confusion = flat.confusion_matrix(labels, answers, num_classes=num_classes)
    return {
        "known": len(labels),
        "accuracy": flat.accuracy(labels, answers),
        "top5": flat.top_k_accuracy(labels, probabilities, k=min(5, num_classes)),
        "loss": flat.log_loss(labels, probabilities),
        "calibration_error": flat.expected_calibration_error(labels, probabilities),
        "recall": flat.recalls(confusion),
        "confusion": confusion.tolist(),
    }
