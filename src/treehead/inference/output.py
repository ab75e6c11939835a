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

from treehead.inference.classifier import Classifier
from treehead.inference.prediction import Answer, Prediction
from treehead.types import Array, UserError

Column: TypeAlias = "list[str] | list[str | None] | Array"
"""Text, or float32 with NaN for a missing value."""
Columns: TypeAlias = dict[str, Column]
"""Column name -> values; all columns have the same length."""


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What is written for each image beside the answer at every level.

    top: number of paths of the tree, best first. nodes: whether the probability of every class of every level.
    confidence: also the answer at the deepest level whose confidence is at least this. max_error: also the deepest
    answers that keep the fraction of wrong ones at or below this. coverage: also the fewest nodes that hold the true
    leaf with this probability. under: a node of the tree; only classes below it are considered.
    """

    top: int = 0
    nodes: bool = False
    confidence: float | None = None
    max_error: float | None = None
    coverage: float | None = None
    under: str | None = None

    def check(self, classifier: Classifier) -> None:
        """Raises: UserError: an option does not fit the others, the tree, or the held-out images of the calibration."""
        tree, calibration = classifier.tree, classifier.calibration
        if not 0 <= self.top <= tree.num_leaves:
            raise UserError(f"--top must be between 0 and {tree.num_leaves} for tree {tree.name!r}, not {self.top}")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise UserError(f"--confidence must be between 0 and 1, not {self.confidence:g}")
        if self.confidence is not None and self.max_error is not None:
            raise UserError("--confidence and --max-error both choose how deep an answer is: use one of them")
        if self.under is not None and (self.max_error is not None or self.coverage is not None):
            raise UserError("--max-error and --set hold for the whole tree: use them without --under")
        if self.max_error is not None:
            calibration.back_off_threshold(self.max_error, decoder=classifier.decode)
        if self.coverage is not None:
            calibration.set_threshold(self.coverage)


def columns(images: Sequence[Path | str], prediction: Prediction, options: PredictOptions) -> Columns:
    """One row per image.

        image                                   the path of the image file
        <level>, <level>_probability                the answer at every level and its probability
        answer, answer_level, answer_probability    with `confidence` or `max_error`: the deepest answer that is
                                                    confident enough, or missing values
        set                                         with `coverage`: the nodes of the prediction set, as "name (level)"
        path_<i>, path_<i>_probability              with `top`: the i-th best path, leaf first, and its probability
        <level>:<class>                             with `nodes`: the probability of every class

    Raises: UserError: a level has the name of another column; a guarantee cannot be kept.
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
    answers = _deepest(prediction, options)
    if answers is not None:
        yield "answer", [answer and answer.name for answer in answers]
        yield "answer_level", [answer and answer.level for answer in answers]
        probabilities = [answer.probability if answer else np.nan for answer in answers]
        yield "answer_probability", np.array(probabilities, np.float32)
    if options.coverage is not None:
        yield "set", [" | ".join(map(_named, nodes)) for nodes in prediction.sets(options.coverage)]
    if options.top:
        paths = prediction.top_paths(options.top)
        for i, leaves in enumerate(paths.leaves.T):
            yield f"path_{i + 1}", [path_text(tree.path_names(leaf)) for leaf in leaves]
            yield f"path_{i + 1}_probability", paths.probabilities[:, i].astype(np.float32)
    if options.nodes:
        for level, classes, probabilities in zip(tree.levels, tree.names, prediction.probabilities, strict=True):
            for i, name in enumerate(classes):
                yield f"{level}:{name}", probabilities[:, i].astype(np.float32)


def objects(images: Sequence[Path | str], prediction: Prediction, options: PredictOptions) -> Iterator[dict[str, Any]]:
    """One JSON object per image.

        {"image", "levels": {level: {"answer", "probability"}},
         "confident": {"level", "answer", "probability"} or null, "set": [{"level", "answer", "probability"}],
         "paths": [{"path", "probability"}], "nodes": {level: {...}}}

    Conventions: as `columns`; all but "image" and "levels" only with their options; a path is a list of names.
    """
    levels = prediction.as_dicts()
    confident = _deepest(prediction, options)
    sets = [] if options.coverage is None else prediction.sets(options.coverage)
    paths = list(prediction.top_paths(options.top)) if options.top else []
    for row, image in enumerate(images):
        entry: dict[str, Any] = {"image": printable(image), "levels": levels[row]}
        if confident is not None:
            entry["confident"] = (answer := confident[row]) and _answer(answer)
        if sets:
            entry["set"] = [_answer(node) for node in sets[row]]
        if paths:
            entry["paths"] = [{"path": list(path), "probability": share} for path, share in paths[row]]
        if options.nodes:
            entry["nodes"] = _nodes(prediction, row)
        yield entry


def text_lines(images: Sequence[Path | str], prediction: Prediction, options: PredictOptions) -> Iterator[str]:
    """Several lines per image, for a terminal; `nodes` is ignored."""
    for entry in objects(images, prediction, options):
        yield entry["image"]
        for level, answer in entry["levels"].items():
            yield f"  {level:<12} {answer['answer']:<30} {100 * answer['probability']:5.1f} %"
        if "confident" in entry:
            answer = entry["confident"]
            text = f"{answer['answer']} ({answer['level']})" if answer else "none"
            yield f"  {_rule(options)}: {text}"
        if "set" in entry:
            nodes = (f"{node['answer']} ({node['level']})" for node in entry["set"])
            yield f"  {100 * (options.coverage or 0):g} % prediction set: {', '.join(nodes)}"
        for number, path in enumerate(entry.get("paths", ()), 1):
            yield f"  path {number:<7} {path_text(path['path'])}   {100 * path['probability']:.1f} %"


def _deepest(prediction: Prediction, options: PredictOptions) -> list[Answer | None] | None:
    """The backed-off answers, by whichever of the two options asks for them."""
    if options.max_error is not None:
        return prediction.within_error(options.max_error)
    return None if options.confidence is None else prediction.backed_off(options.confidence)


def _rule(options: PredictOptions) -> str:
    if options.max_error is not None:
        return f"deepest answer with at most {100 * options.max_error:g} % errors"
    return f"deepest level with confidence >= {100 * (options.confidence or 0):g} %"


def _named(answer: Answer) -> str:
    return f"{answer.name} ({answer.level})"


def _answer(answer: Answer) -> dict[str, Any]:
    return {"level": answer.level, "answer": answer.name, "probability": answer.probability}


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
