"""What a study found: a table of its cells, the effect of each choice with its interval, and an answer per question.

Read from the run folders alone, so it can be made of a study that is still running. How differences are judged stands
in `study.pairing`. The severity of mistakes under every decoder is a table of its own: `study.mistakes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from treehead.records.run import Metrics
from treehead.runfiles import StudyFolder, write_json, write_text
from treehead.study.answers import answers
from treehead.study.cell_row import cell_row, measures
from treehead.study.grid import Cell, Study, cells, read_study
from treehead.study.markdown import as_markdown
from treehead.study.mistakes import mistake_rows, table
from treehead.study.pairing import extra_pairs, judged, noise_of, pairs_along, quads_along
from treehead.study.scheduler import CellState, state_of
from treehead.types import UserError

FORMAT = 1


def write_summary(root: Path) -> dict[str, Any]:
    """Write summary.json and summary.md of the study in `root` from its run folders, and return the former.

    Raises: UserError: there is no study in `root`, or a file of a run is damaged.
    """
    folder, summary = StudyFolder(root), summarise_folder(root)
    write_json(folder.summary, summary)
    write_text(folder.summary_text, as_markdown(summary))
    return summary


def summarise_folder(root: Path) -> dict[str, Any]:
    """The summary of the study in `root`, from its run folders.

    Raises: UserError: there is no study in `root`, or a file of a run is damaged.
    """
    folder = StudyFolder(root)
    study = read_study(_study_text(folder), str(folder.study))
    states = [state_of(folder, cell) for cell in cells(study)]
    summary = summarise_study(study, states, class_names=_class_names(folder, states))
    for cell in summary["cells"]:
        network = folder.run(cell["name"]).network
        cell["parameters"] = folder.read_json(network)["parameters"] if network.exists() else None
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
            return folder.run(state.cell.name).read_tree()["names"][0]
    return None


def summarise_study(
    study: Study, states: Sequence[CellState], *, class_names: list[str] | None = None
) -> dict[str, Any]:
    """Everything that summary.json holds; accuracies in [0, 1], losses in nats."""
    measured = [(state.cell, state.metrics) for state in states if state.metrics]
    levels = list(measured[0][1]["levels"]) if measured else []
    rows = [cell_row(state) for state in states]
    mistakes = mistake_rows(measured)
    summary: dict[str, Any] = {
        "format": FORMAT,
        "name": study.name,
        "about": study.about,
        "levels": levels,
        "axes": {axis.name: list(axis.choices) for axis in study.axes},
        "splits": sorted({state.cell.config.data.split for state in states}),
        "cells": rows,
        **_differences(study, [cell for cell, _ in measured], rows, levels),
        "classes": class_spread([metrics for cell, metrics in measured if cell.extra is None], class_names),
        "mistakes": mistakes,
        "mistakes_table": table(mistakes),
    }
    return summary | {"answers": answers(summary)}


def _differences(
    study: Study, finished: Sequence[Cell], rows: Sequence[Mapping[str, Any]], levels: Sequence[str]
) -> dict[str, Any]:
    """The noise of every measure; effects, interactions and extras, judged, measure by measure."""
    figures = {row["name"]: row["figures"] for row in rows if row["figures"]}
    noise: dict[str, Any] = {}
    effects, interactions, extras = [], [], []
    for measure, value in measures(levels).items():
        known = {name: found for name, row in figures.items() if (found := value(row)) is not None}
        those = [cell for cell in finished if cell.name in known]
        grid = [cell for cell in those if cell.extra is None]
        deviation = noise_of(grid, known)
        noise[measure] = asdict(deviation) if deviation else None
        for axis, first, second in study.compare:
            if pairs := pairs_along(grid, axis, first, second):
                told = {"measure": measure, "axis": axis, "first": first, "second": second}
                effects.append(told | judged([known[b] - known[a] for a, b in pairs], None))
        for extra in study.extras:
            if pairs := extra_pairs(those, extra.name):
                told = {"measure": measure, "extra": extra.name}
                extras.append(told | judged([known[b] - known[a] for a, b in pairs], deviation))
        for one, two in combinations(study.compare, 2):
            if quads := quads_along(grid, one, two):
                told = {"measure": measure, "axes": [one[0], two[0]], "choices": [list(one[1:]), list(two[1:])]}
                gaps = [(known[d] - known[c]) - (known[b] - known[a]) for a, b, c, d in quads]
                interactions.append(told | judged(gaps, None))
    return {"noise": noise, "effects": effects, "interactions": interactions, "extras": extras}


def class_spread(metrics: Sequence[Metrics], names: list[str] | None) -> dict[str, Any] | None:
    """The accuracy of every leaf, averaged over those runs, by class id; None without a run."""
    if not metrics:
        return None
    recalls = [[share or 0.0 for share in m["recall"][m["levels"][0]]] for m in metrics]  # None: no images of the class
    if len({len(recall) for recall in recalls}) > 1:
        return None
    return {"runs": len(metrics), "names": names, "accuracy": np.mean(recalls, axis=0).tolist()}
