"""Publish runs that came before the published one: their files in docs/results/attempts, a table and curves of all.

    python tools/publish_attempts.py runs/half-rate runs/muon     # each is published under its folder's name

Writes docs/results/attempts: config, environment, network, history and metrics of each run, curves.png and the table
between the markers of README.md. All files are read and checked before any is replaced.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from publishing import (
    RESULTS,
    copy_run,
    finished_run,
    markdown_rows,
    percent,
    refuse_published,
    replaced,
    severity_counts,
    share_tree,
    with_section,
    write_figure,
)
from treehead.report.run.read import RunRecord
from treehead.report.study import figures as study_figures
from treehead.runfiles import write_text
from treehead.types import UserError

PUBLISHED = "published"
"""The name of the published run in table and figure."""


def publish(runs: Sequence[Path], results: Path = RESULTS / "attempts", published: Path = RESULTS / "cifar100") -> Path:
    """Write everything the module's docstring names; gives the page.

    Raises: UserError: a run is not finished, is already published, or a file is missing or damaged.
    """
    for run in runs:
        finished_run(run)
        refuse_published(run, results / run.resolve().name)
    with replaced(*(results / run.resolve().name for run in runs)) as folders:
        for run, folder in zip(runs, folders, strict=True):
            copy_run(run, folder)
    share_tree(results)
    records = read(results, published)
    page = results / "README.md"
    write_figure(results / "curves.png", curves(records))
    write_text(page, with_table(page.read_text(encoding="utf-8"), records))
    return page


def read(results: Path, published: Path) -> dict[str, RunRecord]:
    """The published run, then the attempts, by name."""
    folders = sorted(path.parent for path in results.glob("*/metrics.json"))
    return {PUBLISHED: finished_run(published)} | {folder.name: finished_run(folder) for folder in folders}


def curves(records: Mapping[str, RunRecord]) -> Figure:
    """The curves of all runs."""
    return study_figures.curves(records, {name: name for name in records}, records[PUBLISHED].levels[0])


def with_table(page: str, records: Mapping[str, RunRecord]) -> str:
    """The page with the table between its markers computed again."""
    levels = records[PUBLISHED].levels
    columns = ["images by severity 0 / 1 / 2 / 3", "training loss", "test loss", "epochs", "minutes", "device"]
    rows = [["run", *levels, *columns], *(row(name, record) for name, record in records.items())]
    return with_section(page, "attempts", "\n".join(markdown_rows(rows)))


def row(name: str, record: RunRecord) -> list[str]:
    """One run's line: test accuracies and severities of the heads alone, both losses at the last epoch, time.

    The heads alone, since the attempts were measured before there was a posterior.
    """
    metrics, environment, last, leaf = record.metrics, record.environment, record.history[-1], record.levels[0]
    assert metrics is not None
    assert environment["seconds"] is not None
    heads = metrics["decoders"]["independent"]
    return [
        name,
        *(percent(heads["accuracy"][level]) for level in record.levels),
        severity_counts(heads),
        f"{last['train']['losses'][leaf]:.3f}",
        f"{last['validation']['losses'][leaf]:.3f}",
        str(len(record.history)),
        f"{environment['seconds'] / 60:.0f}",
        environment["machine"]["accelerator"] or environment["machine"]["processor"],
    ]


if __name__ == "__main__":
    parser = ArgumentParser(description="Publish runs that came before the published one.")
    parser.add_argument("runs", type=Path, nargs="+")
    try:
        print(publish(parser.parse_args().runs))
    except UserError as error:
        sys.exit(f"publish_attempts: {error}")
