"""Publish the run that proves the scratch engine: its files here, beside the PyTorch engine's run of the same config.

    python tools/publish_scratch.py runs/scratch runs/pytorch

Writes docs/results/scratch: the first run's config, environment, tree, network, history and metrics, the same of the
second in docs/results/scratch/pytorch, a figure with the curves of both, and a page with their figures. Figure and page
are drawn again from those files by

    python tools/publish_scratch.py docs/results/scratch docs/results/scratch/pytorch
"""

import math
import sys
from pathlib import Path

from filing import copied
from treehead.config import described, read_config
from treehead.report.drawing import png
from treehead.report.run.read import RunRecord, read_run
from treehead.report.study import figures as study_figures
from treehead.runfiles import write_text, written_whole
from treehead.types import UserError

RESULTS = Path(__file__).parents[1] / "docs" / "results"
OTHER = "pytorch"
"""The folder of the other engine's run, within the results."""
FREE = ("name", "engine.", "output.", "data.root")  # what may differ between the two runs


def publish(run: Path, beside: Path, results: Path = RESULTS / "scratch") -> Path:
    """Copy and draw; gives the page.

    Raises: UserError: see `pair`.
    """
    pair(run, beside)
    runs = pair(copied(run, results), copied(beside, results / OTHER))
    words = {engine: f"{engine}, {record.environment['precision']}" for engine, record in runs.items()}
    with written_whole(results / "curves.png") as temporary:
        temporary.write_bytes(png(study_figures.curves(runs, words, runs["scratch"].levels[0])))
    write_text(results / "README.md", page(results))
    return results / "README.md"


def pair(run: Path, beside: Path) -> dict[str, RunRecord]:
    """Both runs by the engine that trained them.

    Raises: UserError: one is not finished or was trained by another engine, or their configs are not the same.
    """
    runs: dict[str, RunRecord] = {}
    for engine, root in (("scratch", run), ("pytorch", beside)):
        record = runs[engine] = read_run(root)
        if record.metrics is None:
            raise UserError(f"{root} is not finished; treehead resume {root}")
        trained = {record.environment["engine"], read_config(record.config_text).engine.kind}
        if trained != {engine}:
            raise UserError(f"{root} was trained by engine.kind={' and '.join(sorted(trained))}, not {engine}")
    ours, theirs = (decisions(record) for record in runs.values())
    for key in ours | theirs:
        if (mine := ours.get(key)) != (other := theirs.get(key)):
            raise UserError(f"the configs of {run} and {beside} differ in {key}: {mine} and {other}")
    return runs


def decisions(record: RunRecord) -> dict[str, object]:
    """Every key of a run's config that the two runs must have in common."""
    return {key: value for key, value, _ in described(read_config(record.config_text)) if not key.startswith(FREE)}


def page(results: Path) -> str:
    """The page, from the files of the two runs alone."""
    runs = pair(results, results / OTHER)
    ours, metrics = runs["scratch"], runs["scratch"].metrics or {}
    levels = metrics["levels"]
    fine = {engine: (record.metrics or {})["accuracy"][levels[0]] for engine, record in runs.items()}
    deviation = math.sqrt(fine["scratch"] * (1 - fine["scratch"]) / metrics["images"])
    test = "test images, which chose nothing" if ours.split == "official" else "validation images"
    heights = " / ".join(map(str, range(len(levels) + 1)))
    lines = [
        "# Trained by hand: the scratch engine beside PyTorch",
        "",
        f"The run in this folder was trained by the scratch engine alone, NumPy with every gradient by hand, for "
        f"{len(ours.history)} epochs. The [other one]({OTHER}) was trained by the PyTorch engine with the same config, "
        "first weights and batches. One seed, last epoch, one view, all "
        f"{metrics['images']:,} test images; tree {metrics['tree']}, decode {metrics['decode']}.",
        "",
        f"| engine | precision | {' | '.join(levels)} | images by severity {heights} | training, s | images a second | "
        "peak memory |",
        "| --- " * (len(levels) + 6) + "|",
        *(row(record) for record in runs.values()),
        "",
        f"At {levels[0]} the scratch engine is {100 * (fine['scratch'] - fine['pytorch']):+.2f} points from PyTorch; "
        f"the standard error of one such accuracy is {100 * deviation:.2f} points.",
        "",
        "![Accuracy and loss of both engines, epoch by epoch](curves.png)",
        "",
        f"Both curves are of the {test}. Training time is that of the epochs, without the look at these images after "
        "each; images a second are those of all epochs together, whatever the size of their images. Times are the "
        "wall's, on machines as they were:",
        "",
        *(f"- {engine}: {where(record)}" for engine, record in runs.items()),
        "",
        "The run's [config](config.toml), [history](history.jsonl), [metrics](metrics.json) and "
        "[environment](environment.json) are beside this page, and `python tools/publish_scratch.py RUN "
        "OTHER` wrote it from them.",
    ]
    return "\n".join(lines) + "\n"


def row(record: RunRecord) -> str:
    """One run's line of the table."""
    metrics, environment = record.metrics or {}, record.environment
    seconds = sum(epoch["seconds"] for epoch in record.history)
    images = sum(epoch["seconds"] * epoch["images_per_second"] for epoch in record.history)
    cells = [
        environment["engine"],
        environment["precision"],
        *(f"{100 * metrics['accuracy'][level]:.2f} %" for level in metrics["levels"]),
        " / ".join(f"{count:,}" for count in metrics["severity_counts"]),
        f"{seconds:,.0f}",
        f"{images / seconds:.0f}",
        f"{(environment['peak_memory_bytes'] or 0) / 1e9:.2f} GB",
    ]
    return f"| {' | '.join(cells)} |"


def where(record: RunRecord) -> str:
    """The machine, the time and the code of a run."""
    environment = record.environment
    machine, versions = environment["machine"], environment["versions"]
    cores = "1 core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    tools = {"scratch": ("python", "numpy", "numba"), "pytorch": ("python", "torch")}[
        environment["engine"] or "scratch"
    ]
    told = ", ".join(f"{name} {versions[name]}" for name in tools if name in versions)
    return (
        f"{cores} of an {machine['processor']}, {environment['started']} to {environment['finished']}, commit "
        f"{environment['commit']}; {told}"
    )


if __name__ == "__main__":
    try:
        print(publish(Path(sys.argv[1]), Path(sys.argv[2])))
    except UserError as error:
        sys.exit(f"publish_scratch: {error}")
