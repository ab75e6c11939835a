"""What is told of every image: as columns for tables, as objects for JSON lines.

Axes: N images, L levels from the leaves up, K leaves.
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
"""Text, or float32 with NaN where there is nothing."""
Columns: TypeAlias = dict[str, Column]
"""By name; all of one length."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is told beside the answer of every level.

    top: how many paths of the tree. nodes: the probability of every class of every level. confidence: also the answer
    at the deepest level that reaches it. under: the node below which all images are known to lie.
    """

    top: int = 0
    nodes: bool = False
    confidence: float | None = None
    under: str | None = None

    def check(self, tree: LabelTree) -> None:
        """Raises: UserError: the tree has not so many paths, or the confidence is no probability."""
        if not 0 <= self.top <= tree.num_leaves:
            raise UserError(f"--top {self.top}: tree {tree.name!r} has {tree.num_leaves} paths")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise UserError(f"--confidence {self.confidence:g}: a confidence lies between 0 and 1")


def columns(images: Sequence[Path | str], prediction: Prediction, wanted: Wanted) -> Columns:
    """One row per image.

        image                                   its path as it was found
        <level>, <level>_probability            the answer of every level and its head's probability of it
        answer, answer_level, answer_probability    with `confidence`: the deepest answer that reaches it, else empty
        path_<i>, path_<i>_share                with `top`: the i-th best path, top level first, and its share
        <level>:<class>                         with `nodes`: every head's probability of every class

    Conventions: a share is not a probability, see `Prediction.top_paths`.
    Raises: UserError: a level is called like another column.
    """
    names, values = zip(*_columns(images, prediction, wanted), strict=True)
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"two columns would be called {name!r}, as a level is; write .jsonl, where they are nested")
    return dict(zip(names, values, strict=True))


def _columns(images: Sequence[Path | str], prediction: Prediction, wanted: Wanted) -> Iterator[tuple[str, Column]]:
    tree, sure = prediction.tree, prediction.confidences.astype(np.float32)
    yield "image", [printable(image) for image in images]
    for level, name in enumerate(tree.levels):
        yield name, [tree.names[level][i] for i in prediction.answers[:, level]]
        yield f"{name}_probability", sure[:, level]
    if wanted.confidence is not None:
        answers = prediction.backed_off(wanted.confidence)
        yield "answer", [answer and answer.name for answer in answers]
        yield "answer_level", [answer and answer.level for answer in answers]
        probabilities = [answer.probability if answer else np.nan for answer in answers]
        yield "answer_probability", np.array(probabilities, np.float32)
    if wanted.top:
        paths = prediction.top_paths(wanted.top)
        for i, leaves in enumerate(paths.leaves.T):
            yield f"path_{i + 1}", [" / ".join(reversed(tree.path_names(leaf))) for leaf in leaves]
            yield f"path_{i + 1}_share", paths.shares[:, i].astype(np.float32)
    if wanted.nodes:
        for level, classes, shares in zip(tree.levels, tree.names, prediction.probabilities, strict=True):
            for i, name in enumerate(classes):
                yield f"{level}:{name}", shares[:, i].astype(np.float32)


def objects(images: Sequence[Path | str], prediction: Prediction, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """One object per image, for JSON.

        {"image", "levels": {level: {"answer", "probability"}},
         "confident": {"level", "answer", "probability"} or null, "paths": [{"path", "share"}], "nodes": {level: {...}}}

    Conventions: as `columns`; the last three only where they are wanted; a path is a list of names, leaf first.
    """
    levels = prediction.as_dicts()
    confident = [] if wanted.confidence is None else prediction.backed_off(wanted.confidence)
    paths = list(prediction.top_paths(wanted.top)) if wanted.top else []
    for row, image in enumerate(images):
        said: dict[str, Any] = {"image": printable(image), "levels": levels[row]}
        if confident:
            answer = confident[row]
            said["confident"] = answer and {
                "level": answer.level,
                "answer": answer.name,
                "probability": answer.probability,
            }
        if paths:
            said["paths"] = [{"path": list(path), "share": share} for path, share in paths[row]]
        if wanted.nodes:
            said["nodes"] = _nodes(prediction, row)
        yield said


def texts(images: Sequence[Path | str], prediction: Prediction, wanted: Wanted) -> Iterator[str]:
    """The lines a person reads, a few per image; nodes are left out."""
    for said in objects(images, prediction, wanted):
        yield said["image"]
        for level, answer in said["levels"].items():
            yield f"  {level:<12} {answer['answer']:<30} {100 * answer['probability']:5.1f} %"
        if wanted.confidence is not None:
            answer, sure = said["confident"], f"{100 * wanted.confidence:g} %"
            deepest = f"{answer['answer']} ({answer['level']})" if answer else "no answer"
            yield f"  at least {sure} sure: {deepest}"
        for number, path in enumerate(said.get("paths", ()), 1):
            yield f"  path {number:<7} {' / '.join(reversed(path['path']))}   share {100 * path['share']:.1f} %"


def _nodes(prediction: Prediction, row: int) -> dict[str, dict[str, float]]:
    tree = prediction.tree
    return {
        level: dict(zip(names, shares[row].tolist(), strict=True))
        for level, names, shares in zip(tree.levels, tree.names, prediction.probabilities, strict=True)
    }


def printable(path: Path | str) -> str:
    """A path as text that any file can hold: bytes that are no UTF-8 are written as \\xNN."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
