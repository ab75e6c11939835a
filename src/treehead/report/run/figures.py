"""The static figures of a run: from records to a matplotlib Figure."""

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from treehead.records.run import EpochRecord, Metrics
from treehead.report import wording
from treehead.report.drawing import STYLE, in_percent, plain, set_title
from treehead.report.palette import ACCENT, CHANCE, INK, level_colours


def curves(history: Sequence[EpochRecord], levels: Sequence[str]) -> Figure:
    """Loss and accuracy of every head over the epochs; training dashed, validation solid.

    Raises: ValueError: the history is empty.
    """
    if not history:
        raise ValueError("no epochs to draw: the history is empty")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for level, colour in zip(levels, level_colours(len(levels)), strict=True):
            _level_curves(left, right, history, level, colour)
        for axes in (left, right):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(history) > 1:
                axes.set_xlim(history[0]["epoch"], history[-1]["epoch"])
        left.set_ylim(bottom=0)
        right.set_ylim(0, 100)
        in_percent(right.yaxis)
        set_title(left, "Loss of every head, in nats")
        set_title(right, "Accuracy of every head")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False, fontsize=9)
    return figure


def _level_curves(left: Axes, right: Axes, history: Sequence[EpochRecord], level: str, colour: str) -> None:
    """One level's losses on the left axes and its accuracies on the right ones."""
    epochs = [record["epoch"] for record in history]
    marker = "o" if len(epochs) == 1 else None
    training, validation = [record["train"] for record in history], [record["validation"] for record in history]
    for name, parts, style, width, alpha in (
        ("training", training, (0, (3, 2)), 1.2, 0.75),
        ("validation", validation, "-", 2.0, 1.0),
    ):
        label = plain(f"{level}, {name}")
        look = {"color": colour, "linestyle": style, "linewidth": width, "alpha": alpha, "marker": marker}
        left.plot(epochs, [part["losses"][level] for part in parts], label=label, **look)
        right.plot(epochs, [100 * part["accuracy"][level] for part in parts], label=label, **look)


def severity(
    share: Sequence[float] | None, chance: Sequence[float], levels: Sequence[str], *, caption: str = ""
) -> Figure:
    """Fraction of the mistakes at each severity, beside uniformly random mistakes.

    Shapes: share, chance: a fraction in [0, 1] for each severity 1 to L; share is None without a mistake.
    """
    measured = [100 * value for value in share] if share is not None else [0.0] * len(chance)
    random = [100 * value for value in chance]
    with matplotlib.rc_context({**STYLE, "axes.grid.axis": "x"}):
        figure = Figure(figsize=(9, 1.6 + 0.75 * len(chance)), layout="constrained")
        axes = figure.subplots()
        rows = range(len(chance))
        axes.barh([row - 0.2 for row in rows], measured, 0.36, color=ACCENT, label="this network's mistakes")
        axes.barh([row + 0.2 for row in rows], random, 0.36, color=CHANCE, label="uniformly random mistakes")
        for bars in axes.containers:
            axes.bar_label(bars, fmt="%.1f %%", padding=5, fontsize=9, color=INK)  # pyright: ignore[reportArgumentType]
        names = [f"{height}  {wording.severity(height, levels)}" for height in range(1, len(levels) + 1)]
        axes.set_yticks(rows, [plain(name) for name in names], color=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.12 * max([*measured, *random], default=1))
        in_percent(axes.xaxis)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(caption)
        set_title(axes, "Mistakes by severity, fraction of all mistakes")
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    return figure


def risk_coverage(metrics: Metrics, levels: Sequence[str]) -> Figure:
    """Left, the error rate of the most confident answers; right, the answered levels by confidence threshold."""
    colours = level_colours(len(levels))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _risk_panel(left, metrics, levels, colours)
        _back_off_panel(right, metrics, levels, colours)
        for axes in (left, right):
            axes.set_xlim(0, 100)
            in_percent(axes.xaxis)
            in_percent(axes.yaxis)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, frameon=False, fontsize=9)
    return figure


def _risk_panel(axes: Axes, metrics: Metrics, levels: Sequence[str], colours: Sequence[str]) -> None:
    curve = metrics["risk_coverage"]
    coverage = [100 * share for share in curve["coverage"]]
    for level, colour in zip(levels, colours, strict=True):
        risk = [100 * share for share in curve["risk"][level]]
        axes.plot(coverage, risk, color=colour, linewidth=2, label=plain(level))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("coverage, most confident first")
    axes.set_ylabel("risk (error rate)")
    set_title(axes, "Risk-coverage curve")


def _back_off_panel(axes: Axes, metrics: Metrics, levels: Sequence[str], colours: Sequence[str]) -> None:
    back_off = metrics["back_off"]
    thresholds = [100 * value for value in back_off["threshold"]]
    stacks = [[100 * share for share in back_off["answered"][level]] for level in levels]
    labels = [plain(level) for level in levels]
    axes.stackplot(thresholds, stacks, colors=colours, labels=labels, alpha=0.45)
    risk = [float("nan") if value is None else 100 * value for value in back_off["risk"]]
    axes.plot(thresholds, risk, color=INK, linewidth=2, label="error rate")
    axes.set_ylim(0, 100)
    axes.set_xlabel("confidence threshold")
    axes.set_ylabel("images")
    set_title(axes, "Answered level by confidence threshold")
