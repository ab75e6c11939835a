"""The page's living figures: plotly figures as plain JSON, drawn in the reader's browser and colours."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from treehead.records.run import BackOff, EpochRecord, RiskCoverage
from treehead.report import wording
from treehead.report.palette import level_colours
from treehead.report.run.view import LevelView, boundaries, row_shares
from treehead.types import Array

CURVES = {"losses": ("loss, in nats", ".3f"), "accuracy": ("accuracy", ".1%")}


def curves(history: Sequence[EpochRecord], levels: Sequence[str], key: str) -> dict[str, Any]:
    """One panel of learning curves, `key` being "losses" or "accuracy": hover reads every head at an epoch.

    Shapes: history: a record per epoch as in `history.jsonl`.
    Returns: plotly's JSON, {"data", "layout"}. A trace's `meta` is its level's position, for the page's colours.
    """
    words, precision = CURVES[key]
    epochs = [record["epoch"] for record in history]
    figure = go.Figure()
    for depth, (level, colour) in enumerate(zip(levels, level_colours(len(levels)), strict=True)):
        for part, dash, width in (("validation", "solid", 2.5), ("train", "dot", 1.6)):
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
    figure.update_yaxes(title=words, rangemode="tozero", tickformat=".0%" if key == "accuracy" else None)
    return figure.to_plotly_json()


def risk_coverage(curve: RiskCoverage, levels: Sequence[str]) -> dict[str, Any]:
    """How often the most confident answers are wrong, a line per level.

    Shapes: curve: `risk_coverage` as in `metrics.json`. Returns: plotly's JSON, as `curves`.
    """
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
    answered = {"text": "%{x} answered"}
    figure.update_xaxes(
        title="images answered, the most confident first", tickformat=".0%", range=[0, 1], unifiedhovertitle=answered
    )
    figure.update_yaxes(title="wrong among them", tickformat=".0%", rangemode="tozero")
    return figure.to_plotly_json()


def back_off(found: BackOff, levels: Sequence[str]) -> dict[str, Any]:
    """How deep it answers at every confidence it may ask for: shares of the images, stacked, and the wrong ones.

    Shapes: found: `back_off` as in `metrics.json`. Returns: plotly's JSON; the trace of the wrong ones has no `meta`.
    """
    figure = go.Figure()
    for depth, (level, colour) in enumerate(zip(levels, level_colours(len(levels)), strict=True)):
        figure.add_scatter(
            x=found["threshold"],
            y=[round(share, 5) for share in found["answered"][level]],
            name=_escaped(f"answered at {level}"),
            meta=depth,
            mode="lines",
            line={"color": colour, "width": 1},
            stackgroup="answered",
            hovertemplate="%{y:.1%}",
        )
    figure.add_scatter(
        x=found["threshold"],
        y=[None if risk is None else round(risk, 5) for risk in found["risk"]],
        name="wrong, of those answered",
        mode="lines",
        line={"width": 2.5},
        hovertemplate="%{y:.1%}",
    )
    figure.update_layout(template="none", hovermode="x unified", showlegend=True)
    asked = {"text": "%{x} asked for"}
    figure.update_xaxes(title="confidence asked for", tickformat=".0%", range=[0, 1], unifiedhovertitle=asked)
    figure.update_yaxes(title="images", tickformat=".0%", range=[0, 1])
    return figure.to_plotly_json()


def confusion(counts: Array, view: LevelView, levels: Sequence[str]) -> dict[str, Any]:
    """A confusion matrix whose cells name both classes, the count, the share and the severity on hover.

    Shapes: counts: (K, K) true x predicted, in class order; levels: every level of the tree, leaves first.
    Returns: plotly's JSON, {"data", "layout"}. Colours are the log of a cell's share of its true class; a cell
        nobody fell into stays empty. `customdata` has the severities, by which the page
        can colour it. Names are escaped: plotly would take them for markup.
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
        z=_plain(np.round(logs, 3)),
        zmin=lowest,
        zmax=0,
        customdata=severity.tolist(),
        text=_said(counts, shares, severity, levels),
        hovertemplate="true <b>%{y}</b><br>predicted <b>%{x}</b><br>%{text}<extra></extra>",
        hoverongaps=True,
        xgap=1 if len(names) <= 40 else 0,
        ygap=1 if len(names) <= 40 else 0,
        showscale=False,
    )
    figure.update_layout(template="none", shapes=_outlines(view))
    figure.update_xaxes(type="category", title="predicted", side="bottom")
    figure.update_yaxes(type="category", title="true", autorange="reversed")
    return figure.to_plotly_json()


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)  # plotly draws &quot; as it stands


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, told apart by invisible spaces where two look alike: plotly would merge them into one row."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, -1) + 1
    left = dict(seen)
    marked = []
    for name in names:
        marked.append(name + "\N{ZERO WIDTH SPACE}" * (seen[name] - left[name]))
        left[name] -= 1
    return marked


def _plain(values: Array) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def _said(counts: Array, shares: Array, severity: Array, levels: Sequence[str]) -> list[list[str]]:
    """What a cell says after its names. Cells without an image, nearly all of them, share one short string."""
    words = [_escaped(wording.severity(height, levels)) for height in range(len(levels) + 1)]
    total = counts.sum(axis=1)
    return [
        [
            f"{wording.count(number)} of {wording.count(total[row])} · {wording.percent(shares[row, column])}"
            f"<br>severity {severity[row, column]}: {words[severity[row, column]]}"
            if number
            else f"never · severity {severity[row, column]}"
            for column, number in enumerate(line)
        ]
        for row, line in enumerate(counts.tolist())
    ]


def _outlines(view: LevelView) -> list[dict[str, Any]]:
    """A square on the diagonal for every block above this level; the farther up, the bolder."""
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
