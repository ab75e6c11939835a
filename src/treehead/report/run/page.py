"""The report itself: one HTML page that carries everything it shows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from treehead.report import palette, wording
from treehead.report.run import interactive, tables
from treehead.report.run.read import RunRecord
from treehead.report.run.view import level_view

TEMPLATES = Path(__file__).parents[1] / "templates"
FORMATS = ("percent", "decimal", "count", "millions", "duration", "shape", "moment", "readable", "plural")


def run_page(record: RunRecord, stills: Mapping[str, bytes]) -> str:
    """The page of one run. `stills` are PNG files by figure name: curves, confusion_<level>, severity, risk_coverage.

    A still stands wherever its living figure cannot: without JavaScript, and on paper.
    """
    rows = tables.class_accuracies(record)
    best, worst = tables.extremes(rows)
    return (
        page_environment()
        .get_template("run.html.j2")
        .render(
            run=record,
            metrics=record.metrics,
            machine=record.environment["machine"],
            stills={name: tables.png_uri(png) for name, png in stills.items()},
            level_rows=tables.level_rows(record),
            tree_rows=tables.tree_rows(record) if record.metrics else [],
            severities=tables.severities(record) if record.metrics else [],
            decoder_heads=tables.decoder_heads(record),
            decoder_rows=tables.decoder_rows(record),
            confusions=tables.frequent_confusions(record),
            costliest=tables.costliest_confusions(record),
            best=best,
            worst=worst,
            every_class=rows,
            environment=tables.environment_rows(record.environment),
            sizes=dict(zip(record.levels, record.tree.sizes, strict=True)),
            plots=script_json({"figures": _figures(record), "palette": palettes()}),
            plotly=Markup(get_plotlyjs().replace("</script", r"<\/script")),
        )
    )


def page_environment() -> jinja2.Environment:
    """Templates that escape what they are given, with the filters of `wording`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in FORMATS}
    environment.filters["piece"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment


def _figures(record: RunRecord) -> dict[str, Any]:
    figures = {}
    if record.history:
        for key in interactive.CURVES:
            figures[f"curves_{key}"] = interactive.curves(record.history, record.levels, key)
    if record.metrics and "risk_coverage" in record.metrics:  # runs from before it was measured have none
        figures["risk_coverage"] = interactive.risk_coverage(record.metrics["risk_coverage"], record.levels)
        figures["back_off"] = interactive.back_off(record.metrics["back_off"], record.levels)
    if record.metrics:
        for level in record.levels:
            if (counts := record.confusion(level)) is not None:
                figures[f"confusion_{level}"] = interactive.confusion(
                    counts, level_view(record.tree, level), record.levels
                )
    return figures


def palettes() -> dict[str, Any]:
    """The colours of living figures, on light paper and on dark."""
    return {
        "light": {"levels": palette.LEVELS, "density": palette.DENSITY},
        "dark": {"levels": palette.LEVELS_DARK, "density": palette.DENSITY_DARK},
    }


def script_json(value: object) -> Markup:
    """JSON that may stand inside a <script> element: no sequence in it can end that element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
