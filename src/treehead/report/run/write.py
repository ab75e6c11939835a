"""Write a run's report: the figures, then the page that shows them."""

import dataclasses
import os
from pathlib import Path

from matplotlib.figure import Figure

from treehead.inputs import cut, printable
from treehead.report import wording
from treehead.report.drawing import png
from treehead.report.files import save_report
from treehead.report.level_view import level_view
from treehead.report.run import figures
from treehead.report.run.matrix import confusion
from treehead.report.run.page import run_page
from treehead.report.run.read import RunRecord, read_run
from treehead.runfiles import RunFolder, alone
from treehead.types import UserError


def write_report(root: Path, *, images: bool = True) -> Path:
    """Write `report.html` and `figures/*.png` of the run in `root`, from the files of its folder alone.

    An unfinished run gets a report of its curves and its network. Each file is written whole or not at all, the page
    last.

    Args:
        root: The run folder.
        images: False shows no image of the data set, even if the folder keeps samples, so that the page may be
            published.

    Returns:
        The path of the page.

    Raises:
        UserError: `root` is not a run folder, or a file in it is missing or damaged; another process works on the run.
        RunError: A file could not be written.
    """
    folder = RunFolder(root).checked()
    with alone(folder):
        record = read_run(root)
        if not images:
            record = dataclasses.replace(record, samples=None)
        try:
            static = {name: png(figure) for name, figure in static_figures(record).items()}
            page = run_page(record, static)
        except (LookupError, ValueError, TypeError, ArithmeticError) as error:
            if os.environ.get("TREEHEAD_TRACEBACK"):
                raise
            raise UserError(
                f"the files of {root} do not fit each other ({type(error).__name__}: {cut(printable(str(error)))}); "
                f"run `treehead evaluate {root}` to write its metrics again"
            ) from error
        return save_report(folder, static, page)


def static_figures(record: RunRecord) -> dict[str, Figure]:
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
