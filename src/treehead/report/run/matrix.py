"""A confusion matrix as a still figure, its classes in tree order and its blocks outlined."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter

from treehead.report import wording
from treehead.report.palette import DENSITY, INK, MUTED, RULE, SEVERITIES, level_colours
from treehead.report.run.figures import STYLE, plain
from treehead.report.run.view import LevelView, boundaries, row_shares
from treehead.types import Array

FULL, PALEST = 0.1, 0.3
"""A severity's colour is full from this share of the true class on, and never paler than this."""
WRITTEN = 12
"""Up to how many classes a cell has room for its figure."""


def confusion(counts: Array, view: LevelView, *, title: str = "", by_severity: bool = False) -> Figure:
    """Draw true classes against answers; a cell's colour is its share of the true class, on a logarithmic scale.

    With `by_severity` the colour is that of the mistake's severity, stronger for a larger share.

    Shapes: counts: (K, K) true x answered, in class order.
    """
    side = float(np.clip(0.112 * len(view.names), 4.4, 11.5))  # inches of the matrix alone
    left, bottom, right, top = 2.4, 2.4, 2.6, 1.2
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(left + side + right, bottom + side + top))
        width, height = figure.get_size_inches()
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        key, shares = (left / width, (bottom + side + 0.3) / height), row_shares(counts)[np.ix_(view.order, view.order)]
        if by_severity:
            severity = view.severity[np.ix_(view.order, view.order)]
            _coloured_cells(axes, shares, severity)
            _severity_key(figure, int(severity.max()), key)
        else:
            _colour_bar(figure, _cells(axes, shares), (*key, 1.8 / width, 0.09 / height))
        if len(view.names) <= WRITTEN:
            _figures(axes, shares)
        _names(axes, [view.names[int(index)] for index in view.order])
        _outlines(axes, view)
        if view.block_names:
            _block_names(axes, view)
        if title:
            place = (left / width, (bottom + side + 0.6) / height)
            figure.text(*place, plain(title), fontsize=13, fontweight="bold")
    return figure


def _colour_bar(figure: Figure, image: ScalarMappable, place: tuple[float, float, float, float]) -> None:
    """A slim scale between title and matrix, its words at its right."""
    bar = figure.colorbar(image, cax=figure.add_axes(place), orientation="horizontal")
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=8, pad=2)
    bar.ax.annotate(
        "share of the true class",
        (1, 0.5),
        (14, 0),
        textcoords="offset points",
        xycoords="axes fraction",
        va="center",
        fontsize=9,
        color=MUTED,
    )


def _cells(axes: Axes, shares: Array) -> ScalarMappable:
    """Log colours, so that one confusion in a hundred is seen beside a diagonal of ninety; nothing is paper."""
    lowest = _lowest(shares)
    colours = LinearSegmentedColormap.from_list("density", DENSITY)
    shown = np.ma.masked_less_equal(shares, 0)
    image = axes.imshow(shown, cmap=colours, norm=LogNorm(lowest, 1, clip=True), interpolation="nearest")
    _frame(axes)
    return image


def _lowest(shares: Array) -> float:
    seen = shares[shares > 0]
    return float(np.clip(seen.min() if seen.size else 0.01, 1e-4, 0.1))


def _frame(axes: Axes) -> None:
    axes.set_xlabel("predicted", labelpad=8)
    axes.set_ylabel("true", labelpad=8)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _coloured_cells(axes: Axes, shares: Array, severity: Array) -> None:
    """The colour of every cell's severity laid over white paper: pale where rare, full from one in ten on."""
    lowest = _lowest(shares)
    span = max(np.log10(FULL / lowest), 0.1)  # not 0, where every share is a large one
    strength = np.clip(np.log10(np.maximum(shares, lowest) / lowest) / span, 0, 1)
    cover = np.where(shares > 0, PALEST + (1 - PALEST) * strength, 0)[..., None]
    colours = np.array([to_rgb(colour) for colour in level_colours(int(severity.max()) + 1, SEVERITIES)])
    axes.imshow(cover * colours[severity] + 1 - cover, interpolation="nearest")
    _frame(axes)


def _severity_key(figure: Figure, highest: int, place: tuple[float, float]) -> None:
    patches = [
        Patch(color=colour, label="right" if height == 0 else f"severity {height}")
        for height, colour in enumerate(level_colours(highest + 1, SEVERITIES))
    ]
    figure.legend(
        handles=patches,
        loc="lower left",
        bbox_to_anchor=place,
        ncols=len(patches),
        frameon=False,
        fontsize=9,
        borderaxespad=0,
        borderpad=0,
        handlelength=1,
        handleheight=1,
    )


def _figures(axes: Axes, shares: Array) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share > 0:
            digits = 0 if share >= 0.1 else 1
            colour = "white" if share > 0.06 else INK
            axes.text(column, row, f"{100 * share:.{digits}f}", ha="center", va="center", color=colour, fontsize=8)


def _names(axes: Axes, names: Sequence[str]) -> None:
    number = len(names)
    size = 10 if number <= 12 else 9 if number <= 24 else max(4.2, 6.4 * min(1.0, 100 / number))
    labels = [wording.readable(name) for name in names]
    axes.set_xticks(range(number), labels, rotation=90, fontsize=size, color=INK)
    axes.set_yticks(range(number), labels, fontsize=size, color=INK)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.tick_params(pad=2)


def _outlines(axes: Axes, view: LevelView) -> None:
    """A square on the diagonal for every class above: inside the smallest square, a mistake is least severe."""
    for height, level in enumerate(view.blocks):
        outermost = height == len(view.blocks) - 1
        for start, stop in boundaries(level, view.order):
            if outermost and start:
                axes.axhline(start - 0.5, color=RULE, linewidth=0.8, zorder=1.5)
                axes.axvline(start - 0.5, color=RULE, linewidth=0.8, zorder=1.5)
            corner, width = (start - 0.5, start - 0.5), stop - start
            weight = 0.7 + 0.7 * height
            axes.add_patch(
                Rectangle(corner, width, width, fill=False, edgecolor=MUTED, linewidth=weight, zorder=2, clip_on=False)
            )


def _block_names(axes: Axes, view: LevelView) -> None:
    """The names of the top level's classes along the right edge."""
    blocks, names = view.blocks[-1], view.block_names[-1]
    for start, stop in boundaries(blocks, view.order):
        text = axes.annotate(
            wording.readable(names[int(blocks[view.order[start]])]),
            xy=(1, (start + stop - 1) / 2),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=MUTED,
        )
        text.set_parse_math(False)
