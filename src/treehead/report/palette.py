"""The report's colours, once for light paper and once for dark. Told apart by the colour-blind too."""

from collections.abc import Sequence
from itertools import cycle, islice

INK, MUTED, RULE, PAPER = "#1c2024", "#5f6a75", "#d9dee3", "#ffffff"
ACCENT = "#0b5fa5"
CHANCE = "#b4bcc4"

LEVELS = ("#0b5fa5", "#c8500a", "#0a8a64", "#a8508c", "#8a6d00", "#3d94c9")
"""A colour per level, leaves first. After Okabe & Ito 2008, darkened to 4.5:1 against white where lines need it."""

LEVELS_DARK = ("#6db6f2", "#ff9a57", "#3fc79a", "#e08fc6", "#e0bf4a", "#9fd3f5")

DENSITY = ("#e3eef8", "#a9cdea", "#5a9fd4", "#1f6fb5", "#0b4580", "#071f3f")
"""Confusion matrices on white, rare to frequent. Lightness falls evenly; nothing at all is the paper itself."""

DENSITY_DARK = ("#15293d", "#1c4569", "#256ca6", "#4a9be0", "#95cbf5", "#eaf6ff")


SEVERITIES = ("#8b98a5", "#3d94c9", "#d99000", "#c0202e", "#7a1fa0", "#2b0a4f")
"""A colour per severity, 0 (right) first; from light to dark for mistakes. The page's --s0 to --s5 are their twins."""


def level_colours(number: int, colours: Sequence[str] = LEVELS) -> list[str]:
    """A colour for each of `number` levels, repeating only past the sixth."""
    return list(islice(cycle(colours), number))
