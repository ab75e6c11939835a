"""The report's still figures: from arrays to a matplotlib Figure. No pyplot, no state, no files."""

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from treehead.records.run import EpochRecord, Metrics
from treehead.report import wording
from treehead.report.palette import ACCENT, CHANCE, INK, MUTED, RULE, level_colours

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#edf0f3",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "savefig.facecolor": "white",
}


def plain(text: str) -> str:
    """`text` for matplotlib, which takes what stands between two dollars for a formula."""
    return text.replace("$", r"\$")


def curves(history: Sequence[EpochRecord], levels: Sequence[str]) -> Figure:
    """Loss and accuracy of every head over the epochs; training dashed, validation solid.

    Shapes: history: a record per epoch as in `history.jsonl`; loss in nats, accuracy in [0, 1].
    Raises: ValueError: no epoch to draw.
    """
    if not history:
        raise ValueError("no epochs to draw: the history is empty")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _curve_panel(left, history, levels, "losses", 1)
        _curve_panel(right, history, levels, "accuracy", 100)
        left.set_ylim(bottom=0)
        right.set_ylim(0, 100)
        right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        _title(left, "Loss of every head, in nats")
        _title(right, "Accuracy of every head")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False, fontsize=9)
    return figure


def _curve_panel(axes: Axes, history: Sequence[EpochRecord], levels: Sequence[str], key: str, scale: float) -> None:
    epochs = [record["epoch"] for record in history]
    marker = "o" if len(epochs) == 1 else None
    for level, colour in zip(levels, level_colours(len(levels)), strict=True):
        for part, style, width, shade in (("train", (0, (3, 2)), 1.2, 0.75), ("validation", "-", 2.0, 1.0)):
            label = f"{level}, training" if part == "train" else f"{level}, validation"
            values = [scale * record[part][key][level] for record in history]
            axes.plot(
                epochs,
                values,
                color=colour,
                linestyle=style,
                linewidth=width,
                alpha=shade,
                marker=marker,
                label=plain(label),
            )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(epochs) > 1:
        axes.set_xlim(epochs[0], epochs[-1])


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=12, fontweight="bold", pad=12)


def severity(
    share: Sequence[float] | None, chance: Sequence[float], levels: Sequence[str], *, caption: str = ""
) -> Figure:
    """Mistakes by severity, beside the severities that uniformly random mistakes would have.

    Shapes: share, chance: one share of the mistakes in [0, 1] per severity 1..L; share is None where no
        mistake was made.
    """
    measured = [100 * value for value in share] if share is not None else [0.0] * len(chance)
    with matplotlib.rc_context({**STYLE, "axes.grid.axis": "x"}):
        figure = Figure(figsize=(9, 1.6 + 0.75 * len(chance)), layout="constrained")
        axes = figure.subplots()
        rows = range(len(chance))
        axes.barh([row - 0.2 for row in rows], measured, 0.36, color=ACCENT, label="this network's mistakes")
        axes.barh(
            [row + 0.2 for row in rows],
            [100 * value for value in chance],
            0.36,
            color=CHANCE,
            label="uniformly random mistakes",
        )
        for bars in axes.containers:
            axes.bar_label(bars, fmt="%.1f %%", padding=5, fontsize=9, color=INK)  # pyright: ignore[reportArgumentType]
        words = [f"{height}  {wording.severity(height, levels)}" for height in range(1, len(levels) + 1)]
        axes.set_yticks(rows, [plain(word) for word in words], color=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.12 * max([*measured, *(100 * value for value in chance)], default=1))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(caption)
        _title(axes, "Mistakes by severity, share of all mistakes")
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    return figure


def risk_coverage(metrics: Metrics, levels: Sequence[str]) -> Figure:
    """Left, how often the most confident answers are wrong; right, how deep it answers at each confidence it may ask.

    Shapes: metrics: `risk_coverage` and `back_off` as in `metrics.json`; all shares in [0, 1].
    """
    curve, back_off = metrics["risk_coverage"], metrics["back_off"]
    colours = level_colours(len(levels))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for level, colour in zip(levels, colours, strict=True):
            shares = [100 * risk for risk in curve["risk"][level]]
            left.plot([100 * share for share in curve["coverage"]], shares, color=colour, linewidth=2)
        threshold = [100 * value for value in back_off["threshold"]]
        stacks = [[100 * share for share in back_off["answered"][level]] for level in levels]
        labels = [plain(f"answered at {level}") for level in levels]
        right.stackplot(threshold, stacks, colors=colours, labels=labels, alpha=0.45)
        risk = [float("nan") if value is None else 100 * value for value in back_off["risk"]]
        right.plot(threshold, risk, color=INK, linewidth=2, label="wrong, of those answered")
        left.set_xlabel("images answered, the most confident first")
        left.set_ylabel("wrong among them")
        right.set_xlabel("confidence asked for")
        for axes in (left, right):
            axes.set_xlim(0, 100)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        left.set_ylim(bottom=0)
        right.set_ylim(0, 100)
        _title(left, "Risk against coverage")
        _title(right, "Backing off up the tree")
        figure.legend(loc="outside lower center", ncols=min(4, len(labels) + 1), frameon=False, fontsize=9)
    return figure
