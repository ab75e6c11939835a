"""A study's summary as Markdown: its tables, and its answers as a list."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from treehead.study.cell_row import MARKS


def as_markdown(summary: Mapping[str, Any]) -> str:
    """The tables and the answers, for a page."""
    mistakes = summary["mistakes_table"]
    parts = (
        runs_markdown(summary),
        answers_markdown(summary["answers"]),
        markdown_table(mistakes["heads"], mistakes["lines"]),
    )
    return "\n".join(line for part in parts if part for line in [*part, ""])


def answers_markdown(answers: Sequence[Mapping[str, str]]) -> list[str]:
    return [f"- {answer['text']}" for answer in answers]


def runs_markdown(summary: Mapping[str, Any]) -> list[str]:
    """A line per cell."""
    levels, axes = summary["levels"], list(summary["axes"])
    heads = [*axes, "extra", *(f"{level}, test" for level in levels), "training loss", "validation loss"]
    heads += [*(f"epochs to {mark} %" for mark in MARKS), "minutes"]
    lines = []
    for row in summary["cells"]:
        cells = [*(row["at"][axis] for axis in axes), row["extra"] or ""]
        figures = row["figures"]
        if figures:
            cells += [f"{100 * figures['accuracy'][level]:.2f} %" for level in levels]
            cells += [f"{figures['train_loss']:.3f}", f"{figures['validation_loss']:.3f}"]
            cells += [str(figures["epochs_to"][str(mark)] or "never") for mark in MARKS]
            cells.append(f"{figures['minutes']:.1f}")
        else:
            cells += [row["failure"] or row["state"], *[""] * (len(heads) - len(cells) - 1)]
        lines.append(cells)
    return markdown_table(heads, lines)


def markdown_table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Its lines; none without heads."""
    if not heads:
        return []
    rule = f"|{' --- |' * len(heads)}"
    return [f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(cells)} |" for cells in lines)]
