"""The interactive figures of a run as plotly's JSON; the page's script adds the colours and draws them."""

import html
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from treehead.records.run import BackOff, EpochRecord, RiskCoverage
from treehead.report import wording
from treehead.report.level_view import LevelView, boundaries, row_shares
from treehead.report.palette import level_colours
from treehead.types import Array

CURVES = {"losses": ("loss, in nats", ".3f"), "accuracy": ("accuracy", ".1%")}
"""Axis title and number format by the key in an epoch's record."""


def curves(history: Sequence[EpochRecord], levels: Sequence[str], key: str) -> dict[str, Any]:
    """Learning curves of every head, `key` being "losses" or "accuracy".

    Returns: plotly's JSON, {"data", "layout"}. A trace's `meta` is the number of its level, which gives its colour.
    """
    title, precision = CURVES[key]
    epochs = [record["epoch"] for record in history]
    figure = go.Figure()
    for depth, (level, colour) in enumerate(zip(levels, level_colours(len(levels)), strict=True)):
        for part, dash, width in (("validation", "solid", 2.5), ("train", "dash", 1.6)):
            label = _escaped(f"{level}, {'training' if part == 'train' else part}")
            figure.add_scatter(
                x=epochs,
                y=[round(record[part][key][level], 5) for record in history],
                name=label,
                meta=depth,
                mode="lines" if len(epochs) > 1 else "markers",
                line={"color": colour, "dash": dash, "width": width},
                hovertemplate=f"%{{y:{precision}}}",
            )
    figure.update_layout(template="none", hovermode="x unified", showlegend=True)
    figure.update_xaxes(
        title="epoch", dtick=1 if len(epochs) <= 8 else None, hoverformat="d", unifiedhovertitle={"text": "epoch %{x}"}
    )
    figure.update_yaxes(title=title, rangemode="tozero", tickformat=".0%" if key == "accuracy" else None)
    return figure.to_plotly_json()


def risk_coverage(curve: RiskCoverage, levels: Sequence[str]) -> dict[str, Any]:
    """Error rate of the most confident answers, a line for each level. Returns: as `curves`."""
    figure = go.Figure()
    for depth, (level, colour) in enumerate(zip(levels, level_colours(len(levels)), strict=True)):
        figure.add_scatter(
            x=curve["coverage"],
            y=[round(risk, 5) for risk in curve["risk"][level]],
            name=_escaped(level),
            meta=depth,
            mode="lines",
            line={"color": colour, "width": 2.5},
            hovertemplate="%{y:.1%}",
        )
    figure.update_layout(template="none", hovermode="x unified", showlegend=True)
    answered = {"text": "%{x} of images"}
    figure.update_xaxes(
        title="coverage, most confident first",
        tickformat=".0%",
        range=[0, 1],
        unifiedhovertitle=answered,
    )
    figure.update_yaxes(title="risk (error rate)", tickformat=".0%", rangemode="tozero")
    return figure.to_plotly_json()


def back_off(record: BackOff, levels: Sequence[str]) -> dict[str, Any]:
    """Answered levels by confidence threshold, as stacked fractions of the images, and the error rate.

    Returns: as `curves`; the trace of the error rate has no `meta`.
    """
    figure = go.Figure()
    for depth, (level, colour) in enumerate(zip(levels, level_colours(len(levels)), strict=True)):
        figure.add_scatter(
            x=record["threshold"],
            y=[round(share, 5) for share in record["answered"][level]],
            name=_escaped(level),
            meta=depth,
            mode="lines",
            line={"color": colour, "width": 1},
            stackgroup="answered",
            hovertemplate="%{y:.1%}",
        )
    figure.add_scatter(
        x=record["threshold"],
        y=[None if risk is None else round(risk, 5) for risk in record["risk"]],
        name="error rate",
        mode="lines",
        line={"width": 2.5},
        hovertemplate="%{y:.1%}",
    )
    figure.update_layout(template="none", hovermode="x unified", showlegend=True)
    threshold = {"text": "threshold %{x}"}
    figure.update_xaxes(title="confidence threshold", tickformat=".0%", range=[0, 1], unifiedhovertitle=threshold)
    figure.update_yaxes(title="images", tickformat=".0%", range=[0, 1])
    return figure.to_plotly_json()


def confusion(counts: Array, view: LevelView, levels: Sequence[str]) -> dict[str, Any]:
    """A confusion matrix; hovering over a cell shows both classes, the count, the share and the severity.

    Shapes: counts: (K, K) true x answered, in class order; levels: every level of the tree, leaves first.
    Returns: plotly's JSON, {"data", "layout"}. Colours are the logarithm of a cell's share of its true class; empty
        cells have none. `customdata` has the severities, for the other colouring. Names are escaped: plotly reads
        markup.
    """
    counts = np.asarray(counts)[np.ix_(view.order, view.order)]
    shares = row_shares(counts)
    severity = view.severity[np.ix_(view.order, view.order)]
    names = [_escaped(wording.readable(view.names[index])) for index in view.order]
    lowest = float(np.log10(np.clip(shares[shares > 0].min(initial=0.1), 1e-4, 0.1)))
    logs = np.where(shares > 0, np.log10(np.maximum(shares, 1e-9)), np.nan)
    figure = go.Figure()
    figure.add_heatmap(
        x=_distinct(names),
        y=_distinct(names),
        z=_as_lists(np.round(logs, 3)),
        zmin=lowest,
        zmax=0,
        customdata=severity.tolist(),
        text=_hover_texts(counts, shares, severity, levels),
        hovertemplate="true class <b>%{y}</b><br>answer <b>%{x}</b><br>%{text}<extra></extra>",
        hoverongaps=True,
        xgap=1 if len(names) <= 40 else 0,
        ygap=1 if len(names) <= 40 else 0,
        showscale=False,
    )
    figure.update_layout(template="none", shapes=_outlines(view))
    figure.update_xaxes(type="category", title="answer", side="bottom")
    figure.update_yaxes(type="category", title="true class", autorange="reversed")
    return figure.to_plotly_json()


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)  # plotly does not decode &quot;


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, equal ones made distinct by invisible spaces: plotly would merge them into one row."""
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        distinct.append(name + "\N{ZERO WIDTH SPACE}" * seen[name])
        seen[name] += 1
    return distinct


def _as_lists(values: Array) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def _hover_texts(counts: Array, shares: Array, severity: Array, levels: Sequence[str]) -> list[list[str]]:
    """Text of each cell below the names; short where no image is counted, as in nearly all cells."""
    meanings = [_escaped(wording.severity(height, levels)) for height in range(len(levels) + 1)]
    total = counts.sum(axis=1)
    return [
        [
            f"{wording.count(number)} of {wording.count(total[row])} · {wording.percent(shares[row, column])}"
            f"<br>severity {severity[row, column]}: {meanings[severity[row, column]]}"
            if number
            else f"no image · severity {severity[row, column]}"
            for column, number in enumerate(line)
        ]
        for row, line in enumerate(counts.tolist())
    ]


def _outlines(view: LevelView) -> list[dict[str, Any]]:
    """A square on the diagonal for every class of the levels above; the higher the level, the thicker the line."""
    return [
        {
            "type": "rect",
            "x0": start - 0.5,
            "x1": stop - 0.5,
            "y0": start - 0.5,
            "y1": stop - 0.5,
            "line": {"width": 0.75 + 0.75 * height},
        }
        for height, blocks in enumerate(view.blocks)
        for start, stop in boundaries(blocks, view.order)
    ]
