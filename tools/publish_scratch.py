"""Publish the run that shows the scratch engine trains CIFAR-100, next to the PyTorch engine's run of the same config.

    python tools/publish_scratch.py runs/scratch runs/pytorch

Writes docs/results/scratch: config, environment, tree, network, history and metrics of the first run, the same of the
second in docs/results/scratch/pytorch, a figure with the curves of both, and a page. All files are read and checked
before any is replaced.
"""

import math
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from publishing import (
    RESULTS,
    copy_run,
    cores_of,
    finished_run,
    markdown_rows,
    percent,
    refuse_published,
    replaced,
    severity_counts,
    share_tree,
    write_figure,
)
from treehead.config import described, read_config
from treehead.report.run.read import RunRecord
from treehead.report.study import figures as study_figures
from treehead.runfiles import write_text
from treehead.types import UserError

OTHER = "pytorch"
"""The folder of the PyTorch run, inside the results."""
MAY_DIFFER = ("name", "engine.", "output.", "data.root")


def publish(scratch: Path, pytorch: Path, results: Path = RESULTS / "scratch") -> Path:
    """Write everything the module's docstring names; gives the page.

    Raises: UserError: see `pair`; the runs are already published, or a file is missing or damaged.
    """
    pair(scratch, pytorch)
    refuse_published(scratch, results)
    refuse_published(pytorch, results / OTHER)
    with replaced(results) as (folder,):
        copy_run(scratch, folder)
        copy_run(pytorch, folder / OTHER)
        share_tree(folder)
        runs = pair(folder, folder / OTHER)
        write_figure(folder / "curves.png", curves(runs))
        write_text(folder / "README.md", page(runs))
    return results / "README.md"


def curves(runs: Mapping[str, RunRecord]) -> Figure:
    """The curves of both runs."""
    labels = {engine: f"{engine}, {record.environment['precision']}" for engine, record in runs.items()}
    return study_figures.curves(runs, labels, runs["scratch"].levels[0])


def pair(scratch: Path, pytorch: Path) -> dict[str, RunRecord]:
    """Both runs by the engine that trained them.

    Raises: UserError: one is not finished or was trained by another engine, or their configs are not the same.
    """
    runs: dict[str, RunRecord] = {}
    for engine, root in (("scratch", scratch), ("pytorch", pytorch)):
        record = runs[engine] = finished_run(root)
        trained = {record.environment["engine"], read_config(record.config_text).engine.kind}
        if trained != {engine}:
            raise UserError(f"{root} was trained by engine.kind={' and '.join(sorted(trained))}, not {engine}")
    ours, theirs = (decisions(record) for record in runs.values())
    for key in ours | theirs:
        if (mine := ours.get(key)) != (other := theirs.get(key)):
            raise UserError(f"the configs of {scratch} and {pytorch} differ in {key}: {mine} and {other}")
    return runs


def decisions(record: RunRecord) -> dict[str, object]:
    """Every key of a run's config that the two runs must have in common."""
    return {
        key: value for key, value, _ in described(read_config(record.config_text)) if not key.startswith(MAY_DIFFER)
    }


def page(runs: Mapping[str, RunRecord]) -> str:
    """The page, from the files of the two runs alone."""
    scratch = runs["scratch"]
    assert scratch.metrics is not None
    levels, images = scratch.metrics["levels"], scratch.metrics["images"]
    fine = {engine: (record.metrics or {})["accuracy"][levels[0]] for engine, record in runs.items()}
    error = math.sqrt(fine["scratch"] * (1 - fine["scratch"]) / images)
    curves_of = (
        "test images, which are never used for selection" if scratch.split == "official" else "validation images"
    )
    heights = " / ".join(map(str, range(len(levels) + 1)))
    columns = ["training, s", "images per second", "peak memory"]
    rows = [["engine", "precision", *levels, f"images by severity {heights}", *columns], *map(row, runs.values())]
    lines = [
        "# The NumPy engine next to PyTorch",
        "",
        f"The run in this folder was trained by the scratch engine alone, NumPy with hand-written gradients, for "
        f"{len(scratch.history)} epochs; the [other run]({OTHER}) by the PyTorch engine with the same config, initial "
        f"weights and batches. One seed, last epoch, one view of each of the {images:,} test images; tree "
        f"{scratch.metrics['tree']}, decoder {scratch.metrics['decode']}.",
        "",
        *markdown_rows(rows),
        "",
        f"At the level {levels[0]} the scratch engine is {100 * (fine['scratch'] - fine['pytorch']):+.2f} points from "
        f"PyTorch; the standard error of one such accuracy is {100 * error:.2f} points, that of the difference of two "
        f"independent runs {100 * math.sqrt(2) * error:.2f} points.",
        "",
        "![Accuracy and loss of both engines, epoch by epoch](curves.png)",
        "",
        f"Both curves are of the {curves_of}. Training time is that of the epochs without validation; images per "
        "second are those of all epochs together, whatever the size of their images. Times are wall-clock times on "
        "these machines:",
        "",
        *(f"- {engine}: {machine(record)}" for engine, record in runs.items()),
        "",
        "Files of the run: [config](config.toml), [history](history.jsonl), [metrics](metrics.json) and "
        "[environment](environment.json). `python tools/results.py --write` writes this page from them.",
    ]
    return "\n".join(lines) + "\n"


def row(record: RunRecord) -> list[str]:
    """One run's line of the table."""
    metrics, environment = record.metrics, record.environment
    assert metrics is not None
    seconds = sum(epoch["seconds"] for epoch in record.history)
    images = sum(epoch["seconds"] * epoch["images_per_second"] for epoch in record.history)
    return [
        str(environment["engine"]),
        str(environment["precision"]),
        *(percent(metrics["accuracy"][level]) for level in metrics["levels"]),
        severity_counts(metrics),
        f"{seconds:,.0f}",
        f"{images / seconds:.0f}",
        f"{(environment['peak_memory_bytes'] or 0) / 1e9:.2f} GB",
    ]


def machine(record: RunRecord) -> str:
    """The machine, the time and the code of a run."""
    environment, versions = record.environment, record.environment["versions"]
    tools = ("python", "numpy", "numba") if environment["engine"] == "scratch" else ("python", "torch")
    installed = ", ".join(f"{name} {versions[name]}" for name in tools if name in versions)
    return (
        f"{cores_of(environment['machine'])}, {environment['started']} to {environment['finished']}, commit "
        f"{environment['commit']}; {installed}"
    )


if __name__ == "__main__":
    parser = ArgumentParser(description="Publish a run of the scratch engine next to PyTorch's.")
    parser.add_argument("scratch", type=Path)
    parser.add_argument("pytorch", type=Path)
    arguments = parser.parse_args()
    try:
        print(publish(arguments.scratch, arguments.pytorch))
    except UserError as error:
        sys.exit(f"publish_scratch: {error}")
