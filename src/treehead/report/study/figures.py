"""A study's figures as PNG files: for papers, for print, and for the page without JavaScript."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from treehead.records.study import MistakeRow
from treehead.report.palette import ACCENT, CHANCE, INK, LEVELS, PAPER, level_colours
from treehead.report.run.figures import STYLE, plain
from treehead.report.run.read import RunRecord
from treehead.report.study.tables import EffectRow

MARKS = ("o", "v", "^", "s", "D")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def curves(runs: Mapping[str, RunRecord], labels: Mapping[str, str], leaf: str) -> Figure:
    """Validation accuracy and loss of the leaf head, a line per run.

    Shapes: runs, labels: by cell name.
    """
    with matplotlib.rc_context(STYLE):
        rows = -(-len(runs) // 4)
        figure = Figure(figsize=(11, 4.2 + 0.22 * rows), layout="constrained")
        left, right = figure.subplots(1, 2)
        for number, (name, run) in enumerate(runs.items()):
            style = {"color": level_colours(len(runs))[number], "linestyle": DASHES[number // 6 % len(DASHES)]}
            epochs = [record["epoch"] for record in run.history]
            for axes, key, scale in ((left, "accuracy", 100), (right, "losses", 1)):
                values = [scale * record["validation"][key][leaf] for record in run.history]
                label = plain(labels[name])
                axes.plot(epochs, values, linewidth=1.6, marker="o" if len(epochs) == 1 else None, label=label, **style)
        for axes, title in ((left, f"Validation accuracy, {leaf}"), (right, f"Validation loss, {leaf}, in nats")):
            axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=12)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=min(4, len(labels)), frameon=False, fontsize=8.5)
    return figure


def effects(rows: Sequence[EffectRow], leaf: str) -> Figure:
    """The effect of each choice on leaf test accuracy: a dot, and the 95 % confidence interval if there is one."""
    with matplotlib.rc_context({**STYLE, "axes.grid.axis": "x"}):
        figure = Figure(figsize=(9, 1.5 + 0.5 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=CHANCE, linewidth=1)
        for place, row in enumerate(rows):
            colour = ACCENT if row.significant else CHANCE
            if row.low is not None and row.high is not None:
                axes.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=3)
            axes.plot([100 * row.mean], [place], "o", color=colour, markersize=8)
        axes.set_yticks(range(len(rows)), [plain(row.label) for row in rows], color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("percentage points of test accuracy, 95 % confidence intervals; grey: not significant")
        axes.set_title(f"Effects on {leaf} test accuracy", loc="left", fontsize=12, fontweight="bold", pad=12)
    return figure


def mistakes(rows: Sequence[MistakeRow], leaf: str) -> Figure:
    """The most severe mistakes against leaf accuracy; a colour per choice, a marker per decoder. Best: lower right.

    Conventions: means over the seeds; from the seventh choice on, where colours repeat, markers are hollow.
    """
    places = list(dict.fromkeys(row["choice"] for row in rows))
    decoders = list(dict.fromkeys(row["decode"] for row in rows))
    marks = dict(zip(decoders, cycle(MARKS), strict=False))
    styles: dict[str, dict[str, Any]] = {
        place: {"color": colour, "markerfacecolor": colour if number < len(LEVELS) else PAPER, "markeredgewidth": 1.8}
        for number, (place, colour) in enumerate(zip(places, level_colours(len(places)), strict=True))
    }
    height = max(key for key in rows[0]["figures"] if key.startswith("severity."))
    with matplotlib.rc_context({**STYLE, "axes.grid.axis": "both"}):
        figure = Figure(figsize=(9, 6), layout="constrained")
        axes = figure.subplots()
        for row in rows:
            across, up = row["figures"]["accuracy"], row["figures"][height]
            x, y, style = 100 * across["mean"], 10_000 * up["mean"], styles[row["choice"]]
            axes.plot(x, y, marker=marks[row["decode"]], markersize=7, linestyle="", **style)
        choices = [Line2D([], [], ls="", marker="o", label=plain(choice), **style) for choice, style in styles.items()]
        kinds = [Line2D([], [], ls="", marker=mark, color=CHANCE, label=kind) for kind, mark in marks.items()]
        axes.set_xlabel(f"{leaf} test accuracy, % (best: lower right)")
        axes.set_title(
            f"Mistakes of {height.replace('.', ' ')} in 10,000 test images", loc="left", fontsize=12, fontweight="bold"
        )
        look: dict[str, Any] = {"alignment": "left", "frameon": False, "fontsize": 8.5, "title_fontsize": 8.5}
        columns = min(3, -(-len(choices) // len(kinds)))
        figure.legend(handles=choices, loc="outside lower left", title="choice", ncols=columns, **look)
        figure.legend(handles=kinds, loc="outside lower right", title="decode", **look)
    return figure
