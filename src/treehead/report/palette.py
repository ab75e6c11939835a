"""The report's colours, for a light page and for a dark one; distinguishable with colour blindness."""

from collections.abc import Sequence
from itertools import cycle, islice

INK, MUTED, RULE, GRID, PAPER = "#1c2024", "#5f6a75", "#d9dee3", "#edf0f3", "#ffffff"
ACCENT = "#0b5fa5"
CHANCE = "#b4bcc4"

LEVELS = ("#0b5fa5", "#c8500a", "#0a8a64", "#a8508c", "#8a6d00", "#3d94c9")
"""A colour per level, leaves first. After Okabe & Ito 2008, darkened towards a contrast of 4.5:1 on white."""

LEVELS_DARK = ("#6db6f2", "#ff9a57", "#3fc79a", "#e08fc6", "#e0bf4a", "#9fd3f5")

DENSITY = ("#e3eef8", "#a9cdea", "#5a9fd4", "#1f6fb5", "#0b4580", "#071f3f")
"""Confusion matrices on white, from rare to frequent, in even steps of lightness; empty cells are white."""

DENSITY_DARK = ("#15293d", "#1c4569", "#256ca6", "#4a9be0", "#95cbf5", "#eaf6ff")

SEVERITIES = ("#8b98a5", "#3d94c9", "#d99000", "#c0202e", "#7a1fa0", "#2b0a4f")
"""A colour per severity, 0 (right) first; the same as --s0 to --s5 in page.css."""


def level_colours(number: int, colours: Sequence[str] = LEVELS) -> list[str]:
    """A colour for each of `number` levels; they repeat from the seventh on."""
    return list(islice(cycle(colours), number))
