"""Publish runs that came before the published one: their files here, their curves beside its own.

    python tools/publish_attempts.py runs/half-rate runs/muon     # a folder each, called as the run's
    python tools/publish_attempts.py                              # table and figure again, from the files here

Writes docs/results/attempts: config, environment, tree, network, history and metrics of each, curves.png, and the table
of its README between the markers.
"""

import sys
from pathlib import Path

from filing import copied, rewritten
from treehead.report.drawing import png
from treehead.report.run.read import RunRecord, read_run
from treehead.report.study import figures as study_figures
from treehead.runfiles import write_text, written_whole

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def publish(runs: list[Path], results: Path = RESULTS / "attempts", beside: Path = RESULTS / "cifar100") -> Path:
    """Copy, draw and fill in; gives the page."""
    for run in runs:
        copied(run, results / run.resolve().name)
    records = read(results, beside)
    figure = study_figures.curves(records, {name: name for name in records}, records["published"].levels[0])
    with written_whole(results / "curves.png") as temporary:
        temporary.write_bytes(png(figure))
    page = results / "README.md"
    write_text(page, filled(page.read_text(encoding="utf-8"), records))
    return page


def read(results: Path, beside: Path) -> dict[str, RunRecord]:
    """The published run, then the attempts, by name."""
    folders = sorted(path.parent for path in results.glob("*/metrics.json"))
    return {"published": read_run(beside)} | {folder.name: read_run(folder) for folder in folders}


def filled(page: str, records: dict[str, RunRecord]) -> str:
    """The page with the table between its markers written anew."""
    levels = records["published"].levels
    told = ["images by severity 0 / 1 / 2 / 3", "training loss", "test loss", "epochs", "minutes", "on"]
    heads = ["run", *levels, *told]
    rows = [heads, ["---"] * len(heads), *(row(name, record) for name, record in records.items())]
    return rewritten(page, "attempts", "\n".join(f"| {' | '.join(cells)} |" for cells in rows))


def row(name: str, record: RunRecord) -> list[str]:
    """One run's line: test accuracies, severities, both losses of the leaf head at the last epoch, time."""
    metrics, last = record.metrics or {}, record.history[-1]
    leaf = record.levels[0]
    return [
        name,
        *(f"{100 * metrics['accuracy'][level]:.2f} %" for level in record.levels),
        " / ".join(f"{count:,}" for count in metrics["severity_counts"]),
        f"{last['train']['losses'][leaf]:.3f}",
        f"{last['validation']['losses'][leaf]:.3f}",
        str(len(record.history)),
        f"{(record.environment['seconds'] or 0) / 60:.0f}",
        record.environment["machine"]["accelerator"] or record.environment["machine"]["processor"],
    ]


if __name__ == "__main__":
    print(publish([Path(word) for word in sys.argv[1:]]))
