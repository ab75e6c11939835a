"""Compute everything that README and docs report again from the files in docs/results.

python tools/results.py --check    # a line for every page, figure or number that differs; exit code 1 if one does
python tools/results.py --write    # write generated sections, pages and figures again
"""

import math
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

import claims
import publish_attempts
import publish_run
import publish_scratch
import publish_study
from publishing import (
    EVIDENCE,
    REPOSITORY,
    RESULTS,
    digest,
    finished_run,
    section_markers,
    stored_digest,
    with_section,
    without_section,
    write_figure,
)
from treehead import recipes
from treehead.inference.calibration import read_calibration
from treehead.run.evaluation import measure
from treehead.run.predictions import read_predictions
from treehead.runfiles import RunFolder, write_text
from treehead.study.markdown import as_markdown
from treehead.study.summary import summarise_folder

RUN = RESULTS / "cifar100"
MODEL = REPOSITORY / "src" / "treehead" / "models" / "cifar100"
SCRATCH, ATTEMPTS = RESULTS / "scratch", RESULTS / "attempts"
SECTIONS = ("results:cifar100", "study:reference", "study:severity", "attempts")
"""The generated sections of pages, all but the last in docs/evidence.md."""


def studies() -> list[Path]:
    """The folders of the published studies."""
    return sorted(path.parent for path in RESULTS.glob("*/study.toml"))


def generated() -> tuple[dict[Path, str], dict[Path, Figure]]:
    """Every generated page, or page with generated sections, as it should be; every figure."""
    record, pages, figures = finished_run(RUN), {}, {}
    evidence = EVIDENCE.read_text(encoding="utf-8")
    section = publish_run.run_section(record, "results/cifar100", publish_run.shipped_metrics(MODEL))
    evidence = with_section(evidence, "results:cifar100", section)
    figures |= {RUN / f"{name}.png": figure for name, figure in publish_run.figures(record).items()}
    for folder in studies():
        summary = summarise_folder(folder)
        pages[folder / "summary.md"] = as_markdown(summary)
        if publish_study.has_section(evidence, folder.name):
            section = publish_study.study_section(summary, f"results/{folder.name}")
            evidence = with_section(evidence, f"study:{folder.name}", section)
            drawn = publish_study.figures(folder, summary)
            figures |= {folder / f"{name}.png": figure for name, figure in drawn.items()}
    pair = publish_scratch.pair(SCRATCH, SCRATCH / publish_scratch.OTHER)
    attempts, page = publish_attempts.read(ATTEMPTS, RUN), (ATTEMPTS / "README.md").read_text(encoding="utf-8")
    pages |= {EVIDENCE: evidence, SCRATCH / "README.md": publish_scratch.page(pair)}
    pages[ATTEMPTS / "README.md"] = publish_attempts.with_table(page, attempts)
    figures[SCRATCH / "curves.png"] = publish_scratch.curves(pair)
    figures[ATTEMPTS / "curves.png"] = publish_attempts.curves(attempts)
    return pages, figures


def stale() -> list[Path]:
    """The generated pages and figures that differ from the files."""
    pages, figures = generated()
    found = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return [*found, *(path for path, figure in figures.items() if stored_digest(path) != digest(figure))]


def write() -> list[Path]:
    """Write every page and figure that differs; gives them."""
    pages, figures = generated()
    written = stale()
    for path in written:
        write_text(path, pages[path]) if path in pages else write_figure(path, figures[path])
    return written


def check() -> list[str]:
    """A sentence for everything that differs from the files in docs/results."""
    found = [f"{_name(path)} differs from the files; `python tools/results.py --write` updates it" for path in stale()]
    page = EVIDENCE.read_text(encoding="utf-8")
    for section in SECTIONS[:-1]:
        if not all(marker in page for marker in section_markers(section)):
            found.append(f"{_name(EVIDENCE)} has no section {section}")
    return [*found, *check_sentences(), *check_metrics()]


def check_sentences() -> list[str]:
    """Numbers in sentences that no file has, and sentences that no page has."""
    known, found, everything = claims.facts(), [], ""
    for path in claims.pages(REPOSITORY):
        page = path.read_text(encoding="utf-8")
        for section in SECTIONS:
            page = without_section(page, section)
        everything += f" {' '.join(page.split())}"
        found += [
            f"{_name(path)}: {number} is not in docs/results: ... {text}"
            for number, text in claims.unknown(page, known.of(path))
        ]
    found += [f"no page says {text!r}, as docs/results has it" for text in claims.sentences() if text not in everything]
    for name, text in claims.recipe_sentences().items():
        if text not in " ".join((getattr(recipes, name).__doc__ or "").split()):
            found.append(f"recipes.{name} does not say {text!r}, as docs/results has it")
    return found


def check_metrics() -> list[str]:
    """Figures of the published run that do not follow from its predictions."""
    folder, record = RunFolder(RUN), finished_run(RUN)
    assert record.metrics is not None
    tree, metrics = record.tree, record.metrics
    stored = read_predictions(folder, tree)
    calibration = read_calibration(folder, tree)
    again, _ = measure(
        tree,
        labels=stored.labels,
        logits=stored.logits,
        calibration=calibration,
        decode_kind=metrics["decode"],
        split=metrics["split"],
    )
    return [
        f"{key} of {_name(RUN)} does not follow from its predictions"
        for key, value in again.items()
        if key in metrics and not _same(value, metrics[key])
    ]


def _same(value: Any, other: Any) -> bool:
    """Whether two JSON values are equal, numbers up to rounding."""
    if isinstance(value, dict):
        return (
            isinstance(other, dict) and value.keys() == other.keys() and all(_same(value[k], other[k]) for k in value)
        )
    if isinstance(value, list):
        return isinstance(other, list) and len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12)
    return value == other


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


if __name__ == "__main__":
    parser = ArgumentParser(description="Compute what README and docs report again from docs/results.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="print what differs")
    action.add_argument("--write", action="store_true", help="write generated sections, pages and figures again")
    if parser.parse_args().write:
        print("\n".join(_name(path) for path in write()))
    if differences := check():
        sys.exit("\n".join(differences))
