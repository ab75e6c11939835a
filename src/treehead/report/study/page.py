"""The page of a study: a table of all runs, all learning curves in one plot, the confusion matrix of every run."""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from treehead.report import wording
from treehead.report.run import tables
from treehead.report.run.page import page_environment, palettes, script_json
from treehead.report.run.read import RunRecord
from treehead.report.run.view import boundaries, level_view
from treehead.report.study import tables as study_tables
from treehead.report.study.read import StudyRecord

DIGITS = 4
"""Decimal places of a curve's values; the rounding error is below a pixel."""


def study_page(record: StudyRecord, stills: Mapping[str, bytes]) -> str:
    """The page as HTML.

    Shapes: stills: PNG files by name: curves, effects, mistakes, and confusion_<level> of the first finished run.
    """
    summary = record.summary
    first = next(iter(record.finished.values()), None)
    return (
        page_environment()
        .get_template("study.html.j2")
        .render(
            study=summary,
            about=with_code(summary["about"]),
            answers=[
                (question, [unbroken(answer["text"]) for answer in answers])
                for question, answers in groupby(summary["answers"], lambda answer: answer["question"])
            ],
            heads=study_tables.heads(record),
            rows=study_tables.run_rows(record),
            effects=study_tables.effect_rows(record),
            finished=list(record.finished),
            labels={name: record.label(name) for name in record.runs},
            first=first,
            level_tabs=[(level, level) for level in levels_of(record)],
            colour_by=[*(axis for axis, choices in summary["axes"].items() if len(choices) > 1), "run"],
            stills={name: tables.png_uri(png) for name, png in stills.items()},
            data=script_json(page_data(record)),
            plotly=Markup(get_plotlyjs().replace("</script", r"<\/script")),
        )
    )


def with_code(text: str) -> Markup:
    """Text as HTML, with `...` as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def unbroken(text: str) -> str:
    """Text without line breaks inside percentages."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def page_data(record: StudyRecord) -> dict[str, Any]:
    """The data of the page's plots: curves and confusion counts of every run, names and severities of every level."""
    first = next(iter(record.finished.values()), None)
    return {
        "levels": levels_of(record),
        "runs": [_run(record, name) for name in record.runs],
        "views": {level: _view(first, level) for level in first.levels} if first else {},
        "palette": palettes(),
    }


def levels_of(record: StudyRecord) -> list[str]:
    """The levels of every run's tree, leaves first; none before a run has finished an epoch."""
    return next((list(run.levels) for run in record.runs.values()), [])


def _run(record: StudyRecord, name: str) -> dict[str, Any]:
    run = record.runs[name]
    cell = next(cell for cell in record.summary["cells"] if cell["name"] == name)
    curves = {
        part: {
            key: {level: [round(epoch[part][key][level], DIGITS) for epoch in run.history] for level in run.levels}
            for key in ("accuracy", "losses")
        }
        for part in ("validation", "train")
    }
    matrices = {level: run.confusion(level) for level in run.levels}
    counts = {level: matrix.tolist() for level, matrix in matrices.items() if matrix is not None} or None
    return {"name": name, "label": record.label(name), "at": cell["at"], "curves": curves, "confusion": counts}


def _view(run: RunRecord, level: str) -> dict[str, Any]:
    """A level's classes in tree order: names, the severity of every confusion, and the blocks of the tree."""
    view = level_view(run.tree, level)
    return {
        "order": view.order.tolist(),
        "names": [wording.readable(view.names[index]) for index in view.order],
        "severity": view.severity[np.ix_(view.order, view.order)].tolist(),
        "severities": [wording.severity(height, run.levels) for height in range(len(run.levels) + 1)],
        "squares": [
            [start, stop, height]
            for height, blocks in enumerate(view.blocks)
            for start, stop in boundaries(blocks, view.order)
        ],
    }
