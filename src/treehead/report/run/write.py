"""Draws a run folder's report: its figures first, then the page that shows them."""

import dataclasses
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
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
    """Every still figure of the report by its name; those that need metrics only if the run is finished."""
    drawn: dict[str, Figure] = {}
    if record.history:
        drawn["curves"] = figures.curves(record.history, record.levels)
    if record.metrics is None:
        return drawn
    for level in record.levels:
        view = level_view(record.tree, level)
        drawn[f"confusion_{level}"] = confusion(
            np.array(record.metrics["confusion"][level]),
            view.names,
            view.order,
            view.blocks,
            title=f"{wording.plural(level).capitalize()}: true against predicted",
            block_names=view.block_names[-1] if view.block_names else (),
        )
    leaves = record.levels[0]
    view = level_view(record.tree, leaves)
    drawn["confusion_by_severity"] = confusion(
        np.array(record.metrics["confusion"][leaves]),
        view.names,
        view.order,
        view.blocks,
        title=f"{wording.plural(leaves).capitalize()}: mistakes by severity",
        block_names=view.block_names[-1] if view.block_names else (),
        severity=view.severity,
    )
    if record.metrics.get("severity_chance"):
        accuracy = wording.percent(record.metrics["accuracy"][leaves])
        drawn["severity"] = figures.severity(
            record.metrics.get("severity_share"),
            record.metrics["severity_chance"],
            record.levels,
            caption=f"{leaves} accuracy {accuracy}, tree {record.metrics['tree']}",
        )
    if "risk_coverage" in record.metrics:  # runs from before it was measured have none
        drawn["risk_coverage"] = figures.risk_coverage(record.metrics, record.levels)
    return drawn


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight", pad_inches=0.2)
    return file.getvalue()
