"""What a study found: a table of its cells, the effect of each choice with its interval, and an answer per question.

Read from the run folders alone, so it can be made of a study that is still running. How differences are judged:

- A comparison of two choices pairs the runs that agree in everything else, seed included, and takes the t interval
  of their differences (`metrics.intervals.t_interval`). What the pairs disagree in, seeds or other choices, is the
  noise that the interval is made of.
- The noise of a single run is the standard deviation between seeds within a cell, pooled over the cells. Without
  repeated seeds it is the residual of the additive model of all axes (Box, Hunter & Hunter 2005, Statistics for
  Experimenters, sections 5.6 and 5.10: interactions stand in for replicates), which can only be too large.
- An extra cell is paired with the cell it departs from; a single such pair is judged by that noise.
- An interaction is the difference of differences: how the effect of one choice changes with another.
- How severe the mistakes are, under every decoder, stands in a table of its own (`experiment.mistakes`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from treehead.experiment.answers import answers
from treehead.experiment.grid import Cell, Study, cells, read_study
from treehead.experiment.mistakes import mistake_rows, table
from treehead.experiment.study import CellState, state_of
from treehead.metrics.intervals import Interval, known_noise_interval, t_interval
from treehead.runfiles import StudyFolder, write_json, write_text
from treehead.types import UserError

FORMAT = 1
MARKS = (60, 70)
"""Validation accuracies of the leaf head, in percent, whose first epoch is told."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of one run's figure, what it was estimated from, and with how many degrees of freedom."""

    deviation: float
    degrees: int
    source: str


def write_summary(root: Path) -> dict[str, Any]:
    """Write summary.json and summary.md of the study in `root` from its run folders; gives the former.

    Raises: UserError: no study is there, or a file of a run is damaged.
    """
    folder = StudyFolder(root)
    study = read_study(_study_text(folder), str(folder.study))
    states = [state_of(folder, cell) for cell in cells(study)]
    summary = summarise_study(study, states, class_names=_class_names(folder, states))
    for cell in summary["cells"]:
        network = folder.run(cell["name"]).network
        cell["parameters"] = folder.read_json(network)["parameters"] if network.exists() else None
    write_json(folder.summary, summary)
    write_text(folder.summary_text, as_markdown(summary))
    return summary


def _study_text(folder: StudyFolder) -> str:
    try:
        return folder.study.read_text(encoding="utf-8")
    except OSError:
        raise UserError(f"{folder.root} holds no {folder.study.name}: it is no study's folder") from None


def _class_names(folder: StudyFolder, states: Sequence[CellState]) -> list[str] | None:
    """The leaves of the first finished run's tree."""
    for state in states:
        if state.metrics:
            return folder.read_json(folder.run(state.cell.name).tree)["names"][0]
    return None


def summarise_study(
    study: Study, states: Sequence[CellState], *, class_names: list[str] | None = None
) -> dict[str, Any]:
    """Everything that summary.json holds; accuracies in [0, 1], losses in nats."""
    finished = [state for state in states if state.metrics]
    levels = list(finished[0].metrics["levels"]) if finished and finished[0].metrics else []
    rows = [cell_row(state) for state in states]
    figures = {row["name"]: row["figures"] for row in rows if row["figures"]}
    grid = [state.cell for state in finished if state.cell.extra is None]
    measures = _measures(levels)
    summary: dict[str, Any] = {
        "format": FORMAT,
        "name": study.name,
        "about": study.about,
        "levels": levels,
        "axes": {axis.name: list(axis.choices) for axis in study.axes},
        "splits": sorted({state.cell.config.data.split for state in states}),
        "cells": rows,
        "noise": {},
        "effects": [],
        "interactions": [],
        "extras": [],
        "classes": class_spread([state.metrics for state in finished if state.metrics], class_names),
        "mistakes": mistake_rows([(state.cell, state.metrics) for state in finished if state.metrics]),
    }
    summary["mistakes_table"] = table(summary["mistakes"])
    for measure, value in measures.items():
        known = {name: found for name, row in figures.items() if (found := value(row)) is not None}
        some = [cell for cell in grid if cell.name in known]
        noise = noise_of(some, known)
        summary["noise"][measure] = asdict(noise) if noise else None
        for axis, first, second in study.compare:
            pairs = pairs_along(some, axis, first, second)
            told = {"measure": measure, "axis": axis, "first": first, "second": second}
            if pairs:
                summary["effects"].append(told | _judged([known[b] - known[a] for a, b in pairs], None))
        for extra in study.extras:
            pairs = extra_pairs([state.cell for state in finished if state.cell.name in known], extra.name)
            if pairs:
                told = {"measure": measure, "extra": extra.name}
                summary["extras"].append(told | _judged([known[b] - known[a] for a, b in pairs], noise))
        for (axis, first, second), (other, one, two) in combinations(study.compare, 2):
            quads = quads_along(some, (axis, first, second), (other, one, two))
            told = {"measure": measure, "axes": [axis, other], "choices": [[first, second], [one, two]]}
            if quads:
                gaps = [(known[d] - known[c]) - (known[b] - known[a]) for a, b, c, d in quads]
                summary["interactions"].append(told | _judged(gaps, None))
    summary["answers"] = answers(summary)
    return summary


def _measures(levels: Sequence[str]) -> dict[str, Callable[[Mapping[str, Any]], float | None]]:
    """What is compared, by name: a function of a cell's figures; None where a run does not have it."""
    found: dict[str, Callable[[Mapping[str, Any]], float | None]] = {}
    for level in levels:
        found[f"accuracy.{level}"] = lambda row, level=level: row["accuracy"][level]
    found["severe"] = lambda row: row["severe"]
    found["validation_loss"] = lambda row: row["validation_loss"]
    for mark in MARKS:
        found[f"epochs_to.{mark}"] = lambda row, mark=mark: row["epochs_to"][str(mark)]
    found["mean_validation"] = lambda row: row["mean_validation"]
    return found


def cell_row(state: CellState) -> dict[str, Any]:
    """One line of the table; its figures are None until the run is finished."""
    row: dict[str, Any] = {
        "name": state.cell.name,
        "at": state.cell.at,
        "extra": state.cell.extra,
        "state": "begun" if state.state in ("running", "stopped") else state.state,  # files do not tell them apart
        "epochs": state.epochs_done,
        "planned": state.cell.config.train.epochs,
        "failure": state.failure if state.state == "failed" else None,
        "tree": state.metrics["tree"] if state.metrics else None,
        "figures": None,
    }
    if state.metrics and state.record and state.history:
        leaf = state.metrics["levels"][0]
        curve = [record["validation"]["accuracy"][leaf] for record in state.history]
        row["figures"] = {
            "accuracy": state.metrics["accuracy"],
            "severe": state.metrics["severity_counts"][-1] / sum(state.metrics["severity_counts"]),
            "train_loss": state.record["train"]["loss"],
            "validation_loss": state.record["validation"]["loss"],
            "train_accuracy": state.record["train"]["accuracy"][leaf],
            "validation_accuracy": curve[-1],
            "epochs_to": {str(mark): first_epoch(curve, mark / 100) for mark in MARKS},
            "mean_validation": float(np.mean(curve)),
            "minutes": state.seconds / 60,
        }
    return row


def first_epoch(curve: Sequence[float], mark: float) -> int | None:
    """The first epoch, counted from 1, at which the curve reaches the mark; None if it never does."""
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= mark), None)


def pairs_along(grid: Sequence[Cell], axis: str, first: str, second: str) -> list[tuple[str, str]]:
    """Names of cells that differ in this one choice alone."""
    by_place = {frozenset(cell.at.items()): cell.name for cell in grid}
    found = []
    for cell in grid:
        other = by_place.get(frozenset((cell.at | {axis: second}).items()))
        if cell.at.get(axis) == first and other:
            found.append((cell.name, other))
    return found


def quads_along(
    grid: Sequence[Cell], one: tuple[str, str, str], two: tuple[str, str, str]
) -> list[tuple[str, str, str, str]]:
    """(a, b, c, d): b is a with the second choice of `one`, c a with that of `two`, d with both."""
    across = dict(pairs_along(grid, *two))
    along = pairs_along(grid, *one)
    return [(a, b, across[a], across[b]) for a, b in along if one[0] != two[0] and a in across and b in across]


def extra_pairs(found: Sequence[Cell], extra: str) -> list[tuple[str, str]]:
    """Names of the cells an extra departs from, each with the extra."""
    plain = {frozenset(cell.at.items()): cell.name for cell in found if cell.extra is None}
    extras = [cell for cell in found if cell.extra == extra]
    return [(base, cell.name) for cell in extras if (base := plain.get(frozenset(cell.at.items())))]


def noise_of(grid: Sequence[Cell], values: Mapping[str, float]) -> Noise | None:
    """The noise of one run; see the head of this module. None where no degree of freedom is left."""
    repeats: dict[frozenset[tuple[str, str]], list[float]] = {}
    for cell in grid:
        place = frozenset((axis, choice) for axis, choice in cell.at.items() if axis != "seed")
        repeats.setdefault(place, []).append(values[cell.name])
    degrees = sum(len(group) - 1 for group in repeats.values())
    if degrees:
        squares = sum(len(group) * float(np.var(group)) for group in repeats.values())
        return Noise(float(np.sqrt(squares / degrees)), degrees, "seeds")
    if not grid:
        return None
    choices = sorted({item for cell in grid for item in cell.at.items()})
    design = np.array([[1.0, *(float(cell.at[axis] == choice) for axis, choice in choices)] for cell in grid])
    told = np.array([values[cell.name] for cell in grid])
    degrees = len(grid) - int(np.linalg.matrix_rank(design))
    if not degrees:
        return None
    rest = told - design @ np.linalg.lstsq(design, told, rcond=None)[0]
    return Noise(float(np.sqrt(rest @ rest / degrees)), degrees, "residual")


def _judged(differences: Sequence[float], noise: Noise | None) -> dict[str, Any]:
    """The interval of some differences; a single one is judged by the noise of a run, where that is known."""
    interval: Interval = t_interval(differences)
    by = "pairs"
    if len(differences) == 1 and noise:
        interval = known_noise_interval(differences, deviation=noise.deviation, degrees=noise.degrees)
        by = noise.source
    return {**asdict(interval), "is_noise": interval.is_noise, "by": by}


def class_spread(metrics: Sequence[Mapping[str, Any]], names: list[str] | None) -> dict[str, Any] | None:
    """The accuracy of every leaf, averaged over the finished runs, by class id; None without a run."""
    if not metrics:
        return None
    matrices = [np.array(m["confusion"][m["levels"][0]], float) for m in metrics]
    if len({matrix.shape for matrix in matrices}) > 1:
        return None
    recalls = [np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1) for matrix in matrices]
    return {"runs": len(metrics), "names": names, "accuracy": np.mean(recalls, axis=0).tolist()}


def as_markdown(summary: Mapping[str, Any]) -> str:
    """The tables and the answers, for a page."""
    mistakes = summary["mistakes_table"]
    parts = (
        runs_markdown(summary),
        answers_markdown(summary["answers"]),
        markdown_table(mistakes["heads"], mistakes["lines"]),
    )
    return "\n".join(line for part in parts if part for line in [*part, ""])


def answers_markdown(answers: Sequence[Mapping[str, str]]) -> list[str]:
    return [f"- {answer['text']}" for answer in answers]


def runs_markdown(summary: Mapping[str, Any]) -> list[str]:
    """A line per cell."""
    levels, axes = summary["levels"], list(summary["axes"])
    heads = [*axes, "extra", *(f"{level}, test" for level in levels), "training loss", "validation loss"]
    heads += [*(f"epochs to {mark} %" for mark in MARKS), "minutes"]
    lines = []
    for row in summary["cells"]:
        cells = [*(row["at"][axis] for axis in axes), row["extra"] or ""]
        figures = row["figures"]
        if figures:
            cells += [f"{100 * figures['accuracy'][level]:.2f} %" for level in levels]
            cells += [f"{figures['train_loss']:.3f}", f"{figures['validation_loss']:.3f}"]
            cells += [str(figures["epochs_to"][str(mark)] or "never") for mark in MARKS]
            cells.append(f"{figures['minutes']:.1f}")
        else:
            cells += [row["failure"] or row["state"], *[""] * (len(heads) - len(cells) - 1)]
        lines.append(cells)
    return markdown_table(heads, lines)


def markdown_table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Its lines; none without heads."""
    if not heads:
        return []
    rule = f"|{' --- |' * len(heads)}"
    return [f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(cells)} |" for cells in lines)]
