"""Publish a finished run: its files here, its model into the package, its figures into the README.

    python tools/publish.py runs/cifar100
    python tools/publish.py runs/cifar100-muon --no-model     # leave the package as it is

Writes docs/results/NAME (config, history, metrics, predictions, figures and a report without the data set's images),
src/treehead/models/NAME (the model, kernels as 16-bit floats) and the README's section between its markers, where it
has one of that name.
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from filing import RUN_FILES, copied, emptied, rewritten
from treehead.inference.model import load_model, save_model
from treehead.report import write_report
from treehead.runfiles import RunFolder, write_text
from treehead.types import UserError

REPOSITORY = Path(__file__).parents[1]
PUBLISHED = (*RUN_FILES, "calibration.json", "predictions.npz")
SHIPPED = tuple(file for file in PUBLISHED if file not in ("history.jsonl", "predictions.npz"))


def publish(run: Path, *, ship: bool = True) -> None:
    """Copy, draw, ship and fill in; see the module's docstring.

    Raises: UserError: no run is there, or it is the published one itself.
    """
    name = RunFolder(run).checked().root.resolve().name
    results = copied(run, emptied(REPOSITORY / "docs" / "results" / name, run), PUBLISHED)
    if ship:
        model = copied(run, emptied(REPOSITORY / "src" / "treehead" / "models" / name, run), SHIPPED)
        save_model(RunFolder(model), load_model(RunFolder(run)), half=True)
    write_report(results, images=False)
    readme = REPOSITORY / "README.md"
    write_text(readme, filled(readme.read_text(encoding="utf-8"), results))


def filled(readme: str, results: Path) -> str:
    """The README with the run's section between its markers written anew; as it is, where it has none."""
    return rewritten(readme, f"results:{results.name}", section(results))


def section(results: Path) -> str:
    """The README's results, from the files of the published run alone."""
    metrics, environment, network = (
        json.loads((results / name).read_text()) for name in ("metrics.json", "environment.json", "network.json")
    )
    epochs = len((results / "history.jsonl").read_text().splitlines())
    where = results.relative_to(REPOSITORY).as_posix()
    lines = [
        f"`treehead train {results.name}`: {network['parameters']:,} parameters, {network['multiply_adds'] / 1e6:.1f} "
        f"million multiply-adds an image, {epochs} epochs, {environment['seconds'] / 60:.0f} minutes in "
        f"{environment['precision']} on {_machine(environment['machine'])}. One seed, last epoch, one view, all "
        f"{metrics['images']:,} official test images, which chose nothing; tree {metrics['tree']}, decode "
        f"{metrics['decode']}.",
        "",
        "| level | accuracy | top-5 | loss, nats | calibration error |",
        "| --- | --- | --- | --- | --- |",
    ]
    for level in metrics["levels"]:
        lines.append(
            f"| {level} | {100 * metrics['accuracy'][level]:.2f} % | {100 * metrics['top5'][level]:.2f} % | "
            f"{metrics['loss'][level]:.3f} | {100 * metrics['calibration_error'][level]:.1f} % |"
        )
    counts = " / ".join(f"{count:,}" for count in metrics["severity_counts"])
    share = " / ".join(f"{100 * part:.1f}" for part in metrics["severity_share"])
    chance = " / ".join(f"{100 * part:.1f}" for part in metrics["severity_chance"])
    hd = ", ".join(f"HD@{k} {value:.3f}" for k, value in metrics["hd"].items())
    lines += [
        "",
        f"Images by severity 0 / 1 / 2 / 3: {counts}. Of the mistakes, {share} % have severity 1 / 2 / 3 (random "
        f"mistakes: {chance} %); their mean severity is {metrics['mistake_severity']:.3f}. {hd}; full-path accuracy "
        f"{100 * metrics['full_path_accuracy']:.2f} %; the heads contradict the tree on "
        f"{100 * metrics['tree_inconsistency']:.2f} % of the images.",
        "",
        back_off(metrics["back_off"]),
        "",
        f"![Loss and accuracy of every head]({where}/figures/curves.png)",
        "",
        f"![Confusion of superclasses]({where}/figures/confusion_superclass.png)",
        "",
        f"![Mistakes by severity]({where}/figures/severity.png)",
        "",
        f"The run's [config]({where}/config.toml), [history]({where}/history.jsonl), [metrics]({where}/metrics.json), "
        f"[environment]({where}/environment.json) and [report]({where}/report.html) are in `{where}`; all its "
        f"confusion matrices in `{where}/figures`. `treehead report {where} --no-images` draws them again from these "
        f"files, and `python tools/publish.py RUN` wrote this section.",
    ]
    return "\n".join(lines)


def back_off(told: dict[str, Any], asked: float = 0.8) -> str:
    """What comes of answering only as deep as the network is `asked` to be sure."""
    place = told["threshold"].index(asked)
    deep = ", ".join(f"{100 * shares[place]:.1f} % at the level {level}" for level, shares in told["answered"].items())
    silent, wrong, always = (100 * part for part in (1 - told["coverage"][place], told["risk"][place], told["risk"][0]))
    return (
        f"Asked to be {100 * asked:.0f} % sure, it answers {deep}, and {silent:.1f} % not at all; {wrong:.1f} % of "
        f"those answers are wrong, where {always:.1f} % are if it must always name a leaf."
    )


def _machine(machine: dict[str, Any]) -> str:
    if machine["accelerator"]:
        return f"an {machine['accelerator']}"
    cores = "1 core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    return f"{cores} of an {machine['processor']}"


if __name__ == "__main__":
    parser = ArgumentParser(description="Publish a finished run.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--no-model", action="store_true", help="leave the package's models as they are")
    words = parser.parse_args()
    try:
        publish(words.run, ship=not words.no_model)
    except UserError as error:
        sys.exit(f"publish: {error}")
