"""The summary of a study: the table of its cells, the effect of each choice with its interval, and the answers.

It is computed from the run folders alone, also while the study is running. `study.pairing` computes the intervals,
`study.mistakes` the table of mistakes under every decoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from treehead.records.run import Metrics
from treehead.records.study import CellRow, ClassSpread, Effect, ExtraEffect, Interaction, NoiseRecord, StudySummary
from treehead.runfiles import StudyFolder, write_json, write_text
from treehead.study.answers import answers
from treehead.study.cell_row import cell_row, measures
from treehead.study.grid import Cell, Study, cells, read_study
from treehead.study.markdown import as_markdown
from treehead.study.mistakes import mistake_rows, mistakes_table
from treehead.study.pairing import Noise, extra_pairs, judged, noise_of, pairs_along, quads_along
from treehead.study.scheduler import CellState, state_of
from treehead.types import UserError

FORMAT = 1


def write_summary(root: Path) -> StudySummary:
    """Write summary.json and summary.md of the study in `root` from its run folders, and return the former.

    Raises: UserError: there is no study in `root`, or a file of a run is damaged.
    """
    folder = StudyFolder(root)
    study = read_study(_study_text(folder), str(folder.study))
    states = [state_of(folder, cell) for cell in cells(study)]
    summary = summarise_study(study, states, class_names=_class_names(folder, states))
    write_json(folder.summary, summary)
    write_text(folder.summary_text, as_markdown(summary))
    return summary


def _study_text(folder: StudyFolder) -> str:
    try:
        return folder.study.read_text(encoding="utf-8")
    except OSError:
        raise UserError(f"{folder.root} is not a study folder: it has no {folder.study.name}") from None


def _class_names(folder: StudyFolder, states: Sequence[CellState]) -> list[str] | None:
    """The leaves of the first finished run's tree."""
    for state in states:
        if state.metrics:
            return folder.read_json(folder.run(state.cell.name).tree)["names"][0]
    return None


def summarise_study(study: Study, states: Sequence[CellState], *, class_names: list[str] | None = None) -> StudySummary:
    """Everything that summary.json holds."""
    measured = [(state.cell, state.metrics) for state in states if state.metrics]
    levels = list(measured[0][1]["levels"]) if measured else []
    rows = [cell_row(state) for state in states]
    differences = _differences(study, [cell for cell, _ in measured], rows, levels)
    mistakes = mistake_rows(measured)
    summary: StudySummary = {
        "format": FORMAT,
        "name": study.name,
        "about": study.about,
        "levels": levels,
        "axes": {axis.name: list(axis.choices) for axis in study.axes},
        "splits": sorted({state.cell.config.data.split for state in states}),
        "cells": rows,
        "noise": differences.noise,
        "effects": differences.effects,
        "interactions": differences.interactions,
        "extras": differences.extras,
        "classes": class_spread([metrics for cell, metrics in measured if cell.extra is None], class_names),
        "mistakes": mistakes,
        "mistakes_table": mistakes_table(mistakes),
        "answers": [],
    }
    return {**summary, "answers": answers(summary)}


@dataclass(frozen=True, slots=True)
class _Differences:
    """The noise of every measure; effects, interactions and extras, measure by measure."""

    noise: dict[str, NoiseRecord | None]
    effects: list[Effect]
    interactions: list[Interaction]
    extras: list[ExtraEffect]


def _differences(
    study: Study, finished: Sequence[Cell], rows: Sequence[CellRow], levels: Sequence[str]
) -> _Differences:
    differences = _Differences({}, [], [], [])
    figures = {row["name"]: row["figures"] for row in rows if row["figures"]}
    for measure, value_of in measures(levels).items():
        values = {name: value for name, row in figures.items() if (value := value_of(row)) is not None}
        known = [cell for cell in finished if cell.name in values]
        grid = [cell for cell in known if cell.extra is None]
        noise = noise_of(grid, values)
        differences.noise[measure] = noise.record() if noise else None
        differences.effects.extend(_effects(study, grid, measure, values))
        differences.extras.extend(_extras(study, known, measure, values, noise=noise))
        differences.interactions.extend(_interactions(study, grid, measure, values))
    return differences


def _effects(study: Study, grid: Sequence[Cell], measure: str, values: Mapping[str, float]) -> list[Effect]:
    """Every comparison that has a pair of runs."""
    effects: list[Effect] = []
    for comparison in study.compare:
        if pairs := pairs_along(grid, comparison):
            axis, first, second = comparison
            difference = judged([values[b] - values[a] for a, b in pairs])
            effects.append({"measure": measure, "axis": axis, "first": first, "second": second, **difference})
    return effects


def _extras(
    study: Study, known: Sequence[Cell], measure: str, values: Mapping[str, float], *, noise: Noise | None
) -> list[ExtraEffect]:
    """Every ablation that has a run and its base."""
    extras: list[ExtraEffect] = []
    for extra in study.extras:
        if pairs := extra_pairs(known, extra.name):
            difference = judged([values[b] - values[a] for a, b in pairs], noise)
            extras.append({"measure": measure, "extra": extra.name, **difference})
    return extras


def _interactions(study: Study, grid: Sequence[Cell], measure: str, values: Mapping[str, float]) -> list[Interaction]:
    """Every two comparisons that have all four runs."""
    interactions: list[Interaction] = []
    for one, two in combinations(study.compare, 2):
        if quads := quads_along(grid, one, two):
            gaps = [(values[d] - values[c]) - (values[b] - values[a]) for a, b, c, d in quads]
            choices = [list(one[1:]), list(two[1:])]
            interactions.append({"measure": measure, "axes": [one[0], two[0]], "choices": choices, **judged(gaps)})
    return interactions


def class_spread(metrics: Sequence[Metrics], names: list[str] | None) -> ClassSpread | None:
    """The accuracy of every leaf class, averaged over the runs; None without a run, or with different classes."""
    if not metrics:
        return None
    matrices = [np.array(m["confusion"][m["levels"][0]], float) for m in metrics if "confusion" in m]
    if not matrices or len({matrix.shape for matrix in matrices}) > 1:
        return None
    recalls = [np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1) for matrix in matrices]
    return {"runs": len(metrics), "names": names, "accuracy": np.mean(recalls, axis=0).tolist()}
