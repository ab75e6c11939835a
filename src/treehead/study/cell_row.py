"""One row of a study's table: the figures of a single run, and which of them are compared."""

from collections.abc import Callable, Sequence

import numpy as np

from treehead.records.study import CellFigures, CellRow
from treehead.study.scheduler import CellState

MARKS = (60, 70)
"""Validation accuracies of the leaf head, in percent, whose first epoch is recorded."""


def cell_row(state: CellState) -> CellRow:
    """One row of the table; its figures are None until the run is finished."""
    return {
        "name": state.cell.name,
        "at": state.cell.choices,
        "extra": state.cell.extra,
        "state": "begun" if state.state in ("running", "stopped") else state.state,  # files do not distinguish them
        "epochs": state.epochs_done,
        "planned": state.cell.config.train.epochs,
        "machine": state.machine,
        "failure": state.failure if state.state == "failed" else None,
        "tree": state.metrics["tree"] if state.metrics else None,
        "figures": _figures(state),
        "parameters": state.parameters,
    }


def _figures(state: CellState) -> CellFigures | None:
    if not (state.metrics and state.record):
        return None
    leaf = state.metrics["levels"][0]
    curve = [record["validation"]["accuracy"][leaf] for record in state.history]
    return {
        "accuracy": state.metrics["accuracy"],
        "severe": state.metrics["severity_counts"][-1] / sum(state.metrics["severity_counts"]),
        "train_loss": state.record["train"]["loss"],
        "validation_loss": state.record["validation"]["loss"],
        "train_accuracy": state.record["train"]["accuracy"][leaf],
        "validation_accuracy": curve[-1],
        "epochs_to": {str(mark): first_epoch(curve, mark / 100) for mark in MARKS},
        "mean_validation": float(np.mean(curve)),
        "minutes": state.seconds / 60,
        "work_pflop": state.work,
    }


def first_epoch(curve: Sequence[float], mark: float) -> int | None:
    """The first epoch, counted from 1, at which the curve reaches the mark; None if it never does."""
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= mark), None)


def measures(levels: Sequence[str]) -> dict[str, Callable[[CellFigures], float | None]]:
    """The compared figures by name, each a function of a cell's figures; None if a run does not have it."""
    by_name: dict[str, Callable[[CellFigures], float | None]] = {}
    for level in levels:
        by_name[f"accuracy.{level}"] = lambda figures, level=level: figures["accuracy"][level]
    by_name["severe"] = lambda figures: figures["severe"]
    by_name["validation_loss"] = lambda figures: figures["validation_loss"]
    for mark in MARKS:
        by_name[f"epochs_to.{mark}"] = lambda figures, mark=mark: figures["epochs_to"][str(mark)]
    by_name["mean_validation"] = lambda figures: figures["mean_validation"]
    return by_name
