"""Numbers and names as text for the reports: percentages, counts, durations, sizes, classes, severities."""

from collections.abc import Sequence
from datetime import datetime

NOTHING = "–"
"""Text for a missing value, such as the mean mistake severity of a run without mistakes."""


def percent(share: float | None, digits: int = 1) -> str:
    """A fraction in [0, 1] as "75.3 %", with a no-break space; a dash for None."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a fixed number of digits; a dash for None."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def count(value: float) -> str:
    """A whole number with thin spaces between the thousands: 10 000."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def millions(value: float) -> str:
    """A large count with three digits and a unit: 2.48 M, 79.1 M, 24.0 k, 812."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            digits = 2 if value < 10 * size else 1 if value < 100 * size else 0
            return f"{value / size:.{digits}f}\N{NO-BREAK SPACE}{unit}"
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """A time span in its two largest units: 1 h 04 min, 12 min 30 s, 8.4 s; a dash for None."""
    if seconds is None:
        return NOTHING
    if seconds < 59.95:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\N{NO-BREAK SPACE}min {rest:02d}\N{NO-BREAK SPACE}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}\N{NO-BREAK SPACE}h {minutes:02d}\N{NO-BREAK SPACE}min"


def size(num_bytes: float | None) -> str:
    """A number of bytes in decimal units: 1.90 GB; a dash for None."""
    return NOTHING if num_bytes is None else f"{millions(num_bytes)}B"


def moment(iso: str | None) -> str:
    """An ISO 8601 time to the minute: 2026-01-05 09:30 UTC; a dash for None."""
    if iso is None:
        return NOTHING
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when:%Y-%m-%d %H:%M} {when:%Z}".strip()


def shape(sizes: Sequence[int]) -> str:
    """The output shape of a layer: 64 × 32 × 32."""
    return " × ".join(str(n) for n in sizes)


def readable(name: str) -> str:
    """A class name with spaces for underscores: lawn mower."""
    return name.replace("_", " ").strip() or name


def plural(level: str) -> str:
    """The classes of a level in the plural: fine classes, superclasses, groups."""
    word = noun(level)
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}s" if word[-1:].isalpha() else f"{word} classes"


def severity(height: int, levels: Sequence[str]) -> str:
    """The meaning of a severity: "wrong fine class, right superclass"."""
    if height == 0:
        return "right"
    wrong = f"wrong {noun(levels[height - 1])}"
    return wrong if height == len(levels) else f"{wrong}, right {noun(levels[height])}"


def noun(level: str) -> str:
    """One class of a level in the singular: fine class, superclass, group."""
    return f"{level} class" if level in {"fine", "coarse", "leaf"} else level
