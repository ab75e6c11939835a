"""Predictions as columns for CSV and Parquet, as objects for JSON, and as lines of text.

Axes: N images, L levels from the leaves up, K leaves.
Conventions: paths of the tree are written leaf first, as levels are everywhere.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from treehead.hierarchy.tree import LabelTree
from treehead.inference.prediction import Prediction
from treehead.types import Array, UserError

Column: TypeAlias = "list[str] | list[str | None] | Array"
"""Text, or float32 with NaN for a missing value."""
Columns: TypeAlias = dict[str, Column]
"""Column name -> values; all columns have the same length."""


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What is written for each image beside the answer at every level.

    top: number of paths of the tree, best first. nodes: whether the probability of every class of every level.
    confidence: also the answer at the deepest level whose confidence is at least this. under: a node of the tree; only
    classes below it are considered.
    """

    top: int = 0
    nodes: bool = False
    confidence: float | None = None
    under: str | None = None

    def check(self, tree: LabelTree) -> None:
        """Raises: UserError: `top` exceeds the number of paths of the tree, or `confidence` is not a probability."""
        if not 0 <= self.top <= tree.num_leaves:
            raise UserError(f"--top must be between 0 and {tree.num_leaves} for tree {tree.name!r}, not {self.top}")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise UserError(f"--confidence must be between 0 and 1, not {self.confidence:g}")


def columns(images: Sequence[Path | str], prediction: Prediction, options: PredictOptions) -> Columns:
    """One row per image.

        image                                   the path of the image file
        <level>, <level>_probability            the answer at every level and its head's probability
        answer, answer_level, answer_probability    with `confidence`: the deepest confident answer, or missing values
        path_<i>, path_<i>_share                with `top`: the i-th best path, leaf first, and its share
        <level>:<class>                         with `nodes`: every head's probability of every class

    Conventions: a share is not a probability, see `Prediction.top_paths`.
    Raises: UserError: a level has the name of another column.
    """
    names, values = zip(*_columns(images, prediction, options), strict=True)
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"the level name {name!r} is also the name of a column; write .jsonl, which nests levels")
    return dict(zip(names, values, strict=True))


def _columns(
    images: Sequence[Path | str], prediction: Prediction, options: PredictOptions
) -> Iterator[tuple[str, Column]]:
    tree, confidences = prediction.tree, prediction.confidences.astype(np.float32)
    yield "image", [printable(image) for image in images]
    for level, name in enumerate(tree.levels):
        yield name, [tree.names[level][i] for i in prediction.answers[:, level]]
        yield f"{name}_probability", confidences[:, level]
    if options.confidence is not None:
        answers = prediction.backed_off(options.confidence)
        yield "answer", [answer and answer.name for answer in answers]
        yield "answer_level", [answer and answer.level for answer in answers]
        probabilities = [answer.probability if answer else np.nan for answer in answers]
        yield "answer_probability", np.array(probabilities, np.float32)
    if options.top:
        paths = prediction.top_paths(options.top)
        for i, leaves in enumerate(paths.leaves.T):
            yield f"path_{i + 1}", [path_text(tree.path_names(leaf)) for leaf in leaves]
            yield f"path_{i + 1}_share", paths.shares[:, i].astype(np.float32)
    if options.nodes:
        for level, classes, probabilities in zip(tree.levels, tree.names, prediction.probabilities, strict=True):
            for i, name in enumerate(classes):
                yield f"{level}:{name}", probabilities[:, i].astype(np.float32)


def objects(images: Sequence[Path | str], prediction: Prediction, options: PredictOptions) -> Iterator[dict[str, Any]]:
    """One JSON object per image.

        {"image", "levels": {level: {"answer", "probability"}},
         "confident": {"level", "answer", "probability"} or null, "paths": [{"path", "share"}], "nodes": {level: {...}}}

    Conventions: as `columns`; "confident", "paths" and "nodes" only with their options; a path is a list of names.
    """
    levels = prediction.as_dicts()
    confident = [] if options.confidence is None else prediction.backed_off(options.confidence)
    paths = list(prediction.top_paths(options.top)) if options.top else []
    for row, image in enumerate(images):
        entry: dict[str, Any] = {"image": printable(image), "levels": levels[row]}
        if confident:
            answer = confident[row]
            entry["confident"] = answer and {
                "level": answer.level,
                "answer": answer.name,
                "probability": answer.probability,
            }
        if paths:
            entry["paths"] = [{"path": list(path), "share": share} for path, share in paths[row]]
        if options.nodes:
            entry["nodes"] = _nodes(prediction, row)
        yield entry


def text_lines(images: Sequence[Path | str], prediction: Prediction, options: PredictOptions) -> Iterator[str]:
    """Several lines per image, for a terminal; `nodes` is ignored."""
    for entry in objects(images, prediction, options):
        yield entry["image"]
        for level, answer in entry["levels"].items():
            yield f"  {level:<12} {answer['answer']:<30} {100 * answer['probability']:5.1f} %"
        if options.confidence is not None:
            answer = entry["confident"]
            text = f"{answer['answer']} ({answer['level']})" if answer else "none"
            yield f"  deepest level with confidence >= {100 * options.confidence:g} %: {text}"
        for number, path in enumerate(entry.get("paths", ()), 1):
            yield f"  path {number:<7} {path_text(path['path'])}   share {100 * path['share']:.1f} %"


def path_text(names: Sequence[str]) -> str:
    """A path of the tree as text, in the order of `names`."""
    return " / ".join(names)


def _nodes(prediction: Prediction, row: int) -> dict[str, dict[str, float]]:
    tree = prediction.tree
    return {
        level: dict(zip(names, probabilities[row].tolist(), strict=True))
        for level, names, probabilities in zip(tree.levels, tree.names, prediction.probabilities, strict=True)
    }


def printable(path: Path | str) -> str:
    """A path as valid Unicode: bytes that are not UTF-8 are written as \\xNN."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
