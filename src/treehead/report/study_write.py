"""Draws a study's report from its folder: the figures first, then the page."""

from pathlib import Path

from treehead.report import study_figures, study_tables
from treehead.report.study_page import study_page
from treehead.report.study_read import StudyRecord, read_study_record
from treehead.report.write import png, still_figures
from treehead.runfiles import StudyFolder, write_text, written_whole
from treehead.types import RunError


def write_study_report(root: Path) -> Path:
    """Draw `report.html` and `figures/*.png` of the study in `root` from summary.json and the run folders.

    The matrices among the stills are those of the first finished run; the page shows every run's.
    Raises: UserError: no study is there, or a file is damaged; RunError: a file could not be written.
    """
    record = read_study_record(root)
    folder = StudyFolder(root)
    stills = study_stills(record)
    page = study_page(record, stills)
    try:
        for name, data in stills.items():
            with written_whole(folder.figures / f"{name}.png") as temporary:
                temporary.write_bytes(data)
        write_text(folder.report, page)
    except OSError as error:
        raise RunError(f"cannot write the report in {root}: {error.strerror or error}") from None
    return folder.report


def study_stills(record: StudyRecord) -> dict[str, bytes]:
    """PNG files by name; what needs a finished run is missing where there is none."""
    stills: dict[str, bytes] = {}
    leaf = next((run.levels[0] for run in record.runs.values()), "")
    if record.runs:
        words = {name: record.words(name) for name in record.runs}
        stills["curves"] = png(study_figures.curves(record.runs, words, leaf))
    if rows := study_tables.effect_rows(record):
        stills["effects"] = png(study_figures.effects(rows, leaf))
    if first := next(iter(record.finished.values()), None):
        drawn = still_figures(first)
        stills |= {name: png(figure) for name, figure in drawn.items() if name.startswith("confusion_")}
    return stills
