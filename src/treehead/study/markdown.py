"""A study's summary as Markdown: its tables, and its answers as a list."""

import re
from collections.abc import Iterable, Sequence

from treehead.inputs import printable
from treehead.records.study import Answer, CellFigures, CellRow, StudySummary
from treehead.study.cell_row import MARKS


def as_markdown(summary: StudySummary) -> str:
    """The table of runs, the answers and the table of mistakes."""
    mistakes = summary["mistakes_table"]
    parts = (
        runs_markdown(summary),
        answers_markdown(summary["answers"]),
        markdown_table(mistakes["heads"], mistakes["lines"]),
    )
    return "\n".join(line for part in parts if part for line in [*part, ""])


def answers_markdown(answers: Sequence[Answer]) -> list[str]:
    return [f"- {escaped(answer['text'])}" for answer in answers]


def runs_markdown(summary: StudySummary) -> list[str]:
    """The table of runs, a row per cell."""
    levels = summary["levels"]
    heads = [*summary["axes"], "extra"]
    figures = [*(f"{level}, test" for level in levels), "training loss", "validation loss"]
    figures += [*(f"epochs to {mark} %" for mark in MARKS), "minutes", "PFLOP"]
    return markdown_table([*heads, *figures], (_line(summary, row, len(figures)) for row in summary["cells"]))


def _line(summary: StudySummary, row: CellRow, num_figures: int) -> list[str]:
    """A row of the table of runs: its figures, or its state if it has none yet."""
    choices = [*(row["at"][axis] for axis in summary["axes"]), row["extra"] or ""]
    if row["figures"]:
        return [*choices, *_figures(row["figures"], summary["levels"])]
    return [*choices, row["failure"] or row["state"], *[""] * (num_figures - 1)]


def _figures(figures: CellFigures, levels: Sequence[str]) -> list[str]:
    return [
        *(f"{100 * figures['accuracy'][level]:.2f} %" for level in levels),
        f"{figures['train_loss']:.3f}",
        f"{figures['validation_loss']:.3f}",
        *(str(figures["epochs_to"][str(mark)] or "never") for mark in MARKS),
        f"{figures['minutes']:.1f}",
        "" if (work := figures.get("work_pflop")) is None else f"{work:.3g}",
    ]


def markdown_table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """The table's lines; none without heads."""
    if not heads:
        return []
    rule = f"|{' --- |' * len(heads)}"
    rows = (f"| {' | '.join(map(escaped, cells))} |" for cells in (heads, *lines))
    return [next(rows), rule, *rows]


ESCAPES = {"<": "&lt;", ">": "&gt;", "|": "\\|", "[": "\\[", "`": "\\`", "\\": "\\\\", "\n": " "}


def escaped(text: str) -> str:
    """Text that is neither HTML nor a link, code or another cell in Markdown."""
    text = re.sub(r"&(?=[#\w])", "&amp;", printable(text, lines=True))
    return "".join(ESCAPES.get(character, character) for character in text)
