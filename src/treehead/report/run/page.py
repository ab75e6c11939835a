"""The HTML page of one run."""

from collections.abc import Mapping
from typing import Any

from treehead.report.level_view import level_view
from treehead.report.page import page_environment, palettes, plotly_script, png_uri, script_json
from treehead.report.run import interactive, tables
from treehead.report.run.read import RunRecord


def run_page(record: RunRecord, static: Mapping[str, bytes]) -> str:
    """The page, complete in one file.

    `static` are PNG files by figure name, see `write.static_figures`: shown in print and without JavaScript, where the
    interactive figures cannot be.
    """
    classes = tables.class_recalls(record)
    best, worst = tables.extremes(classes)
    return (
        page_environment()
        .get_template("run.html.j2")
        .render(
            run=record,
            metrics=record.metrics,
            machine=record.environment["machine"],
            stills={name: png_uri(png) for name, png in static.items()},
            level_rows=tables.level_rows(record),
            tree_rows=tables.tree_rows(record),
            calibration_rows=tables.calibration_rows(record),
            bound_rows=tables.bound_rows(record),
            set_rows=tables.set_rows(record),
            severities=tables.severities(record),
            decoder_heads=tables.decoder_heads(record),
            decoder_rows=tables.decoder_rows(record),
            confusions=tables.frequent_confusions(record),
            costliest=tables.costliest_confusions(record),
            best=best,
            worst=worst,
            classes=classes,
            environment=tables.environment_rows(record.environment),
            sizes=dict(zip(record.levels, record.tree.sizes, strict=True)),
            plots=script_json({"figures": _figures(record), "palette": palettes()}),
            plotly=plotly_script(),
        )
    )


def _figures(record: RunRecord) -> dict[str, Any]:
    """The interactive figures by name, as plotly's JSON."""
    figures: dict[str, Any] = {}
    if record.history:
        for key in interactive.CURVES:
            figures[f"curves_{key}"] = interactive.curves(record.history, record.levels, key)
    if record.metrics:
        figures["risk_coverage"] = interactive.risk_coverage(record.metrics["risk_coverage"], record.levels)
        figures["back_off"] = interactive.back_off(record.metrics["back_off"], record.levels)
    for level in record.levels:
        if (counts := record.confusion(level)) is not None:
            figures[f"confusion_{level}"] = interactive.confusion(counts, level_view(record.tree, level), record.levels)
    return figures
