"""A study's folder as its report sees it: the summary, and the record of every run that has begun."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treehead.report.run.read import RunRecord, read_run
from treehead.runfiles import StudyFolder
from treehead.types import UserError

FORMAT = 1
KEYS = (
    *("name", "about", "levels", "axes", "cells", "effects", "extras", "interactions", "answers"),
    *("mistakes", "mistakes_table"),
)


@dataclass(frozen=True, slots=True, eq=False)
class StudyRecord:
    """`summary` is summary.json, see `study.summary`; `runs` by cell name, in the order of its cells."""

    summary: dict[str, Any]
    runs: dict[str, RunRecord]
    reports: dict[str, str]

    @property
    def finished(self) -> dict[str, RunRecord]:
        return {name: run for name, run in self.runs.items() if run.metrics}

    def words(self, name: str) -> str:
        """What tells a cell apart, in the words of the axes: adam, relu, 80:20, seed 0."""
        cell = next(cell for cell in self.summary["cells"] if cell["name"] == name)
        choices = [f"seed {choice}" if axis == "seed" else choice for axis, choice in cell["at"].items()]
        return ", ".join([*choices, *([cell["extra"]] if cell["extra"] else [])])


def read_study_record(root: Path) -> StudyRecord:
    """Raises: UserError: no study's folder, or one of another version; a damaged file, or runs on different trees."""
    folder = StudyFolder(root)
    summary = folder.read_json(folder.summary)
    if not isinstance(summary, dict) or summary.get("format") != FORMAT or any(key not in summary for key in KEYS):
        raise UserError(f"{folder.summary} is damaged or of another version; treehead study {root} writes it again")
    runs, reports = {}, {}
    for cell in summary["cells"]:
        run = folder.run(cell["name"])
        if run.environment.exists() and run.history.exists():
            runs[cell["name"]] = read_run(run.root)
            if run.report.exists():
                reports[cell["name"]] = run.report.relative_to(root).as_posix()
    if len({record.tree.levels for record in runs.values()}) > 1:
        raise UserError(f"the runs of {root} have trees of different levels, which one page cannot show")
    return StudyRecord(summary, runs, reports)
