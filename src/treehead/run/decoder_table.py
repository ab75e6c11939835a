"""Every decoder on one set of predictions, and whether the tree fits the labels.

Axes: N images, L levels from the leaves up, K_l classes of level l.
"""

from collections.abc import Sequence

from treehead.decode import DECODERS, Decoded, decode
from treehead.hierarchy.cifar100 import tree_of_the_literature
from treehead.hierarchy.tree import LabelTree
from treehead.metrics import flat
from treehead.metrics.alarm import alarm
from treehead.metrics.summary import answer_figures, severity_figures
from treehead.records.run import DecoderFigures, TreeFigures
from treehead.types import Array


def tree_figures(
    tree: LabelTree, *, labels: Array, nodes: Sequence[Array], heads: Sequence[Array], decode_kind: str
) -> TreeFigures:
    """The part of metrics.json that needs every decoder, or another tree than the run's.

    Shapes: labels: (N, L) class ids, -1 where unknown (see `metrics.summary.summarise`); nodes, heads: per level
        (N, K_l), see `decode.decode`.
    """
    literature = tree_of_the_literature(tree)
    decoded = {kind: decode(kind, nodes, tree, heads=heads) for kind in DECODERS}
    table = {kind: _decoder_figures(tree, labels, result, literature) for kind, result in decoded.items()}
    full = labels[:, 0] >= 0
    answers = decoded[decode_kind].answers
    confusion = flat.confusion_matrix(labels[full, 0], answers[full, 0], num_classes=tree.num_leaves)
    figures: TreeFigures = {"decoders": table, "alarm": alarm(tree, confusion)}
    if "haf5" in (chosen := table[decode_kind]):
        figures["haf5"] = chosen["haf5"]
    return figures


def _decoder_figures(tree: LabelTree, labels: Array, decoded: Decoded, literature: LabelTree | None) -> DecoderFigures:
    answers, scores, full = decoded.answers, decoded.leaf_scores, labels[:, 0] >= 0
    figures: DecoderFigures = {**answer_figures(tree, labels=labels, answers=answers, leaf_scores=scores)}
    if literature:
        leaves = {"labels": labels[full, 0], "answers": answers[full, 0], "leaf_scores": scores[full]}
        figures["haf5"] = severity_figures(literature, **leaves)
    return figures
