"""What all static figures share: style, text, axes in percent, and the PNG file. No pyplot, no global state."""

import io
import re
import warnings
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import FuncFormatter

from treehead.report.palette import GRID, INK, MUTED, RULE
from treehead.types import Note

DOTS_PER_INCH = 150

FONTS = (
    *("Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("Source Han Sans SC", "Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Emoji"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Heiti TC", "Arial Unicode MS"),
    *("Microsoft YaHei", "SimHei", "Yu Gothic", "Malgun Gothic", "Segoe UI", "Unifont"),
)
"""Fonts with letters that matplotlib's own lacks, in the order in which those that are installed are asked for them."""


def _families() -> list[str]:
    """Matplotlib's own font, then those of `FONTS` that are installed."""
    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in FONTS if name in installed)]


STYLE: dict[Any, Any] = {
    "font.family": _families(),
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
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight", pad_inches=0.2)
    missing = [warning for warning in caught if re.match(r"Glyph .* missing from", str(warning.message))]
    for warning in caught:
        if warning not in missing:
            warnings.warn(warning.message, stacklevel=2)
    if missing:
        warnings.warn(NO_FONT, Note, stacklevel=1)  # the same place each time, so it is told once
    return file.getvalue()


NO_FONT = "no font of this machine has all letters of the names, so figures show boxes for some; install Noto Sans CJK"
