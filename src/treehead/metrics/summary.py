"""Every metric of one set of predictions, as a record that JSON can hold."""

from typing import TypedDict

from treehead.hierarchy.severity import chance_shares
from treehead.hierarchy.tree import LabelTree
from treehead.metrics import flat, hierarchical
from treehead.records.run import AnswerFigures, SeverityFigures, Summary
from treehead.types import Array, UserError

HD_KS = (1, 5, 20)
"""HD@k is measured for these k, up to the number of leaves."""


def summarise(
    tree: LabelTree,
    *,
    labels: Array,
    answers: Array,
    probabilities: list[Array],
    leaf_scores: Array | None = None,
) -> Summary:
    """Measure predictions at every level and along the tree.

    Shapes: labels, answers: (N, L) class ids; probabilities: per level (N, K_l); leaf_scores: (N, K).
    Conventions: accuracy, severities and confusion matrices are of `answers`; top-5 accuracy, loss and calibration
        error of each head's `probabilities`; HD@k of the ranking of `leaf_scores`, or of the leaf head's probabilities
        without them. A label of -1 is unknown: a level's figures are over the images labelled at that level, the
        figures along the tree over those with a labelled leaf.
    Raises: UserError: there are no images, or none is labelled at some level.
    """
    if not len(labels):
        raise UserError("there are no test images to measure on")
    if not (labels >= 0).any(axis=0).all():
        raise UserError("no test image is labelled at some level of the tree; every level needs at least one")
    leaf_scores = probabilities[0] if leaf_scores is None else leaf_scores
    columns = enumerate(tree.levels)
    by_level = {level: _of_level(labels[:, i], answers[:, i], probabilities[i]) for i, level in columns}
    of_answers = answer_figures(tree, labels=labels, answers=answers, leaf_scores=leaf_scores)
    return {
        "images": len(labels),
        "known": {level: figures["known"] for level, figures in by_level.items()},
        "accuracy": of_answers["accuracy"],
        "top5": {level: figures["top5"] for level, figures in by_level.items()},
        "loss": {level: figures["loss"] for level, figures in by_level.items()},
        "calibration_error": {level: figures["calibration_error"] for level, figures in by_level.items()},
        "recall": {level: figures["recall"] for level, figures in by_level.items()},
        "confusion": {level: figures["confusion"] for level, figures in by_level.items()},
        **of_answers,
    }


def answer_figures(tree: LabelTree, *, labels: Array, answers: Array, leaf_scores: Array) -> AnswerFigures:
    """The figures that depend on the decoder.

    Shapes, Conventions: as `summarise`.
    """
    full, known = labels[:, 0] >= 0, labels >= 0
    columns = enumerate(tree.levels)
    return {
        "accuracy": {level: flat.accuracy(labels[known[:, i], i], answers[known[:, i], i]) for i, level in columns},
        **severity_figures(tree, labels=labels[full, 0], answers=answers[full, 0], leaf_scores=leaf_scores[full]),
        "full_path_accuracy": hierarchical.full_path_accuracy(labels[full], answers[full]),
        "tree_inconsistency": hierarchical.tree_inconsistency(tree.ancestors, answers),
        "hierarchical": hierarchical.path_overlap(tree.parents, labels[full], answers[full]),
    }


def severity_figures(tree: LabelTree, *, labels: Array, answers: Array, leaf_scores: Array) -> SeverityFigures:
    """How severe the mistakes at the leaves are on `tree`, which need not be the tree of the training.

    Shapes: labels, answers: (N,) leaf ids; leaf_scores: (N, K).
    """
    counts = hierarchical.severity_counts(tree.heights, labels, answers, num_levels=len(tree.levels))
    ks = [k for k in HD_KS if k <= tree.num_leaves]
    return {
        "severity_counts": counts.tolist(),
        "severity_share": hierarchical.severity_share(counts),
        "severity_chance": chance_shares(tree).tolist(),
        "mistake_severity": hierarchical.mistake_severity(counts),
        "hd": {str(k): hierarchical.hd_at_k(tree.heights, labels, leaf_scores, k=k) for k in ks},
    }


class _LevelFigures(TypedDict):
    """One level's part of a `Summary`."""

    known: int
    top5: float
    loss: float
    calibration_error: float
    recall: list[float | None]
    confusion: list[list[int]]


def _of_level(labels: Array, answers: Array, probabilities: Array) -> _LevelFigures:
    num_classes, known = probabilities.shape[1], labels >= 0
    labels, answers, probabilities = labels[known], answers[known], probabilities[known]
    confusion = flat.confusion_matrix(labels, answers, num_classes=num_classes)
    return {
        "known": len(labels),
        "top5": flat.top_k_accuracy(labels, probabilities, k=min(5, num_classes)),
        "loss": flat.log_loss(labels, probabilities),
        "calibration_error": flat.expected_calibration_error(labels, probabilities),
        "recall": flat.recalls(confusion),
        "confusion": confusion.tolist(),
    }
