"""Draws a study's report from its folder: the figures first, then the page."""

from pathlib import Path

from treehead.report.run.write import png, save, still_figures
from treehead.report.study import figures as study_figures
from treehead.report.study import tables as study_tables
from treehead.report.study.page import study_page
from treehead.report.study.read import StudyRecord, read_study_record
from treehead.runfiles import StudyFolder


def write_study_report(root: Path) -> Path:
    """Draw `report.html` and `figures/*.png` of the study in `root` from summary.json and the run folders.

    The confusion matrices in `figures` are those of the first finished run; the page shows those of all runs.
    Raises: UserError: there is no study in `root`, or a file is damaged; RunError: a file could not be written.
    """
    record = read_study_record(root)
    stills = study_stills(record)
    return save(StudyFolder(root), stills, study_page(record, stills))


def study_stills(record: StudyRecord) -> dict[str, bytes]:
    """PNG files by name; those that need a finished run are left out if there is none."""
    stills: dict[str, bytes] = {}
    leaf = next((run.levels[0] for run in record.runs.values()), "")
    if record.runs:
        labels = {name: record.label(name) for name in record.runs}
        stills["curves"] = png(study_figures.curves(record.runs, labels, leaf))
    if rows := study_tables.effect_rows(record):
        stills["effects"] = png(study_figures.effects(rows, leaf))
    if record.summary["mistakes"]:
        stills["mistakes"] = png(study_figures.mistakes(record.summary["mistakes"], leaf))
    if first := next(iter(record.finished.values()), None):
        drawn = still_figures(first)
        stills |= {name: png(figure) for name, figure in drawn.items() if name.startswith("confusion_")}
    return stills
