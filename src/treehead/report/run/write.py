"""Draws a run folder's report: its figures first, then the page that shows them."""

import dataclasses
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from treehead.report import wording
from treehead.report.run import figures
from treehead.report.run.matrix import confusion
from treehead.report.run.page import run_page
from treehead.report.run.read import RunRecord, read_run
from treehead.report.run.view import level_view
from treehead.runfiles import RunFolder, StudyFolder, write_text, written_whole
from treehead.types import RunError

DOTS_PER_INCH = 150


def write_report(root: Path, *, images: bool = True) -> Path:
    """Draw `report.html` and `figures/*.png` of the run in `root` from its files alone; gives the page's path.

    Without `images` no pixel of the data set is shown, whatever the folder holds: such a page may be published.

    A run that is not finished is reported too: its curves and its network. Each file is written whole or not
    at all, the page last.

    Raises:
        UserError: no run folder, or a file in it is missing or damaged.
        RunError: a file could not be written.
    """
    record = read_run(root)
    if not images:
        record = dataclasses.replace(record, samples=None)
    stills = {name: png(figure) for name, figure in still_figures(record).items()}
    return save(RunFolder(root), stills, run_page(record, stills))


def save(folder: RunFolder | StudyFolder, stills: Mapping[str, bytes], page: str) -> Path:
    """Write a report's figures and then its page, each whole or not at all; gives the page's path.

    Raises: RunError: a file could not be written.
    """
    try:
        for name, data in stills.items():
            with written_whole(folder.figures / f"{name}.png") as temporary:
                temporary.write_bytes(data)
        write_text(folder.report, page)
    except OSError as error:
        raise RunError(f"cannot write the report in {folder.root}: {error.strerror or error}") from None
    return folder.report


def still_figures(record: RunRecord) -> dict[str, Figure]:
    """Every static figure of the report by its name; those of the metrics only for a finished run."""
    drawn: dict[str, Figure] = {}
    if record.history:
        drawn["curves"] = figures.curves(record.history, record.levels)
    if record.metrics is None:
        return drawn
    metrics, leaves = record.metrics, record.levels[0]
    for level in record.levels:
        if (counts := record.confusion(level)) is None:
            continue
        view, name = level_view(record.tree, level), wording.plural(level).capitalize()
        drawn[f"confusion_{level}"] = confusion(counts, view, title=f"{name}: true class against answer")
        if level == leaves:
            title = f"{name}: mistakes by severity"
            drawn["confusion_by_severity"] = confusion(counts, view, title=title, by_severity=True)
    drawn["severity"] = figures.severity(
        metrics["severity_share"],
        metrics["severity_chance"],
        record.levels,
        caption=f"{leaves} accuracy {wording.percent(metrics['accuracy'][leaves])}, tree {metrics['tree']}",
    )
    drawn["risk_coverage"] = figures.risk_coverage(metrics, record.levels)
    return drawn


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight", pad_inches=0.2)
    return file.getvalue()
