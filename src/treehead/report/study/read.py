"""A study's folder, read for its report: the summary, and the record of every run that has begun."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treehead.records.study import StudySummary
from treehead.report.run.read import RunRecord, read_run
from treehead.runfiles import StudyFolder
from treehead.types import UserError

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class StudyRecord:
    """What the report is drawn from."""

    summary: StudySummary
    runs: dict[str, RunRecord]
    """By cell name, in the order of the cells; only runs that have begun."""
    reports: dict[str, str]
    """By cell name: the path of the run's own report, relative to the study's folder."""

    @property
    def finished(self) -> dict[str, RunRecord]:
        return {name: run for name, run in self.runs.items() if run.metrics}

    def label(self, name: str) -> str:
        """The choices of a cell on all axes: adam, relu, 80:20, seed 0."""
        cell = next(cell for cell in self.summary["cells"] if cell["name"] == name)
        choices = [f"seed {choice}" if axis == "seed" else choice for axis, choice in cell["at"].items()]
        return ", ".join([*choices, *([cell["extra"]] if cell["extra"] else [])])


def read_study_record(root: Path) -> StudyRecord:
    """Read a study's folder.

    Raises: UserError: it is not a study's folder, or one of another version; a file is damaged; the trees of the runs
        have different levels.
    """
    folder = StudyFolder(root)
    summary = folder.read_json(folder.summary)
    if not _is_complete(summary):
        raise UserError(
            f"{folder.summary} is damaged or of another version; write it again with treehead report {root}"
        )
    runs, reports = {}, {}
    for cell in summary["cells"]:
        run = folder.run(cell["name"])
        if run.environment.exists() and run.history.exists():
            runs[cell["name"]] = read_run(run.root)
            if run.report.exists():
                reports[cell["name"]] = run.report.relative_to(root).as_posix()
    if len({record.tree.levels for record in runs.values()}) > 1:
        raise UserError(f"the trees of the runs in {root} have different levels; one page cannot show them together")
    return StudyRecord(summary, runs, reports)


def _is_complete(summary: Any) -> bool:
    """Whether a summary is of this version and has every key."""
    return (
        isinstance(summary, dict)
        and summary.get("format") == FORMAT
        and summary.keys() >= StudySummary.__required_keys__
    )
