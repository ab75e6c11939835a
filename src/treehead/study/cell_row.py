"""One line of a study's table: what is told of a single run, and which of its figures are compared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from treehead.study.scheduler import CellState

MARKS = (60, 70)
"""Validation accuracies of the leaf head, in percent, whose first epoch is told."""


def cell_row(state: CellState) -> dict[str, Any]:
    """One line of the table; its figures are None until the run is finished."""
    row: dict[str, Any] = {
        "name": state.cell.name,
        "at": state.cell.at,
        "extra": state.cell.extra,
        "state": "begun" if state.state in ("running", "stopped") else state.state,  # files do not tell them apart
        "epochs": state.epochs_done,
        "planned": state.cell.config.train.epochs,
        "machine": state.machine,
        "failure": state.failure if state.state == "failed" else None,
        "tree": state.metrics["tree"] if state.metrics else None,
        "figures": None,
    }
    if state.metrics and state.record and state.history:
        leaf = state.metrics["levels"][0]
        curve = [record["validation"]["accuracy"][leaf] for record in state.history]
        row["figures"] = {
            "accuracy": state.metrics["accuracy"],
            "severe": state.metrics["severity_counts"][-1] / sum(state.metrics["severity_counts"]),
            "train_loss": state.record["train"]["loss"],
            "validation_loss": state.record["validation"]["loss"],
            "train_accuracy": state.record["train"]["accuracy"][leaf],
            "validation_accuracy": curve[-1],
            "epochs_to": {str(mark): first_epoch(curve, mark / 100) for mark in MARKS},
            "mean_validation": float(np.mean(curve)),
            "minutes": state.seconds / 60,
        }
    return row


def first_epoch(curve: Sequence[float], mark: float) -> int | None:
    """The first epoch, counted from 1, at which the curve reaches the mark; None if it never does."""
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= mark), None)


def measures(levels: Sequence[str]) -> dict[str, Callable[[Mapping[str, Any]], float | None]]:
    """What is compared, by name: a function of a cell's figures; None where a run does not have it."""
    found: dict[str, Callable[[Mapping[str, Any]], float | None]] = {}
    for level in levels:
        found[f"accuracy.{level}"] = lambda row, level=level: row["accuracy"][level]
    found["severe"] = lambda row: row["severe"]
    found["validation_loss"] = lambda row: row["validation_loss"]
    for mark in MARKS:
        found[f"epochs_to.{mark}"] = lambda row, mark=mark: row["epochs_to"][str(mark)]
    found["mean_validation"] = lambda row: row["mean_validation"]
    return found
