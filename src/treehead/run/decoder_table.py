"""Every decoder's answers on one set of probabilities, and whether the tree fits the labels.

Axes: N images, L levels from the leaves up, K leaves, K_l classes of level l.
"""

from typing import Any

from treehead.decode import DECODERS, decode
from treehead.hierarchy.cifar100 import tree_of_the_literature
from treehead.hierarchy.tree import LabelTree
from treehead.metrics import flat, hierarchical
from treehead.metrics.alarm import alarm
from treehead.metrics.summary import severity_figures
from treehead.types import Array


def tree_figures(tree: LabelTree, *, labels: Array, probabilities: list[Array], decode_kind: str) -> dict[str, Any]:
    """The keys of metrics.json that need more than one decoder or another tree than the run's.

        decoders    by kind: accuracy per level, severities, HD@k, FPA, TICE, hierarchical F1
        haf5        severities on the five-level tree of the literature, if the leaves are CIFAR-100's
        alarm       a sentence if tree and labels probably do not belong together, else None

    Shapes: labels: (N, L) class ids, -1 where not known (see `metrics.summary.summarise`); probabilities: per level
        (N, K_l).
    """
    literature = tree_of_the_literature(tree)
    table = {kind: decoder_figures(kind, tree, labels, probabilities, literature) for kind in DECODERS}
    answers = decode(decode_kind, probabilities, tree).answers[:, 0]
    full = labels[:, 0] >= 0
    confusion = flat.confusion_matrix(labels[full, 0], answers[full], num_classes=tree.num_leaves)
    figures: dict[str, Any] = {"decoders": table, "alarm": alarm(tree, confusion)}
    return figures | ({"haf5": table[decode_kind]["haf5"]} if literature else {})


def decoder_figures(
    kind: str, tree: LabelTree, labels: Array, probabilities: list[Array], literature: LabelTree | None
) -> dict[str, Any]:
    """The metrics that depend on the decoder; top-5, loss and calibration do not."""
    decoded = decode(kind, probabilities, tree)
    answers, scores = decoded.answers, decoded.leaf_scores
    full = labels[:, 0] >= 0
    leaves: dict[str, Array] = {"labels": labels[full, 0], "answers": answers[full, 0], "leaf_scores": scores[full]}
    accuracies = (labels == answers).sum(axis=0) / (labels >= 0).sum(axis=0)
    figures = {
        "accuracy": {level: float(share) for level, share in zip(tree.levels, accuracies, strict=True)},
        **severity_figures(tree, **leaves),
        "full_path_accuracy": hierarchical.full_path_accuracy(labels[full], answers[full]),
        "tree_inconsistency": hierarchical.tree_inconsistency(tree.ancestors, answers),
        "hierarchical": hierarchical.path_overlap(tree.parents, labels[full], answers[full]),
    }
    return figures | ({"haf5": severity_figures(literature, **leaves)} if literature else {})
