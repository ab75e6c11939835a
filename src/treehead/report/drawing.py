"""What all static figures share: style, text, axes in percent, and the PNG file. No pyplot, no global state."""

import io
import warnings
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from treehead.report.palette import GRID, INK, MUTED, RULE

DOTS_PER_INCH = 150

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
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 7,
    "savefig.facecolor": "white",
}
"""Settings for `matplotlib.rc_context`."""


def plain(text: str) -> str:
    """`text` with its dollar signs escaped, between which matplotlib would typeset a formula."""
    return text.replace("$", r"\$")


def set_title(axes: Axes, text: str) -> None:
    """A bold title above the left edge."""
    axes.set_title(text, loc="left", fontsize=12, fontweight="bold", pad=12)


def in_percent(axis: Axis) -> None:
    """Label an axis whose values are percentages."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight", pad_inches=0.2)
    return file.getvalue()
