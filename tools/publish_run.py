"""Publish a finished run: its files in docs/results, its model in the package, its numbers in docs/evidence.md.

    python tools/publish_run.py runs/cifar100
    python tools/publish_run.py runs/cifar100-muon --no-model     # leave the package's model as it is

Writes docs/results/NAME (config, environment, tree, network, history, metrics, predictions and three figures),
src/treehead/models/NAME (the model with 16-bit kernels, measured again on the test images, in float32 on the CPU) and
the section of docs/evidence.md, if it has one of that name. All files are read and checked before any is replaced.
"""

import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from publishing import (
    EVIDENCE,
    REPOSITORY,
    RUN_FILES,
    copy_run,
    cores_of,
    finished_run,
    markdown_rows,
    percent,
    refuse_published,
    replaced,
    severity_counts,
    with_section,
    write_figure,
)
from treehead.inference.model import Model, load_model, save_model
from treehead.report.run.read import RunRecord
from treehead.report.run.write import static_figures
from treehead.runfiles import RunFolder, write_text
from treehead.types import UserError

PUBLISHED = (*RUN_FILES, "calibration.json", "predictions.npz")
SHIPPED = ("config.toml", "environment.json", "tree.json", "network.json", "metrics.json", "calibration.json")
MEASURED = ("engine.device=cpu", "engine.precision=float32")
"""How the shipped model is measured: what every machine can do."""
FIGURES = {
    "curves": "Loss and accuracy of every head",
    "confusion_superclass": "Confusion of superclasses",
    "severity": "Mistakes by severity",
}


def publish(run: Path, repository: Path = REPOSITORY, *, ship: bool = True) -> Path:
    """Write everything the module's docstring names; gives the folder of results.

    Raises: UserError: the run is not finished, is already published, or a file is missing or damaged.
    """
    name = RunFolder(run).checked().root.resolve().name
    results, models = repository / "docs" / "results" / name, repository / "src" / "treehead" / "models"
    refuse_published(run, results)
    evidence = repository / EVIDENCE.relative_to(REPOSITORY)
    page = evidence.read_text(encoding="utf-8")
    model = load_model(RunFolder(run)) if ship else None
    targets = (results, models / name) if ship else (results,)
    with replaced(*targets) as folders:
        copy_run(run, folders[0], PUBLISHED)
        record = finished_run(folders[0])
        if model:
            ship_model(run, model, folders[1])
        shipped = folders[1] if model else models / name
        section = run_section(record, f"results/{name}", shipped_metrics(shipped))
        for figure_name, figure in figures(record).items():
            write_figure(folders[0] / f"{figure_name}.png", figure)
    write_text(evidence, with_section(page, f"results:{name}", section))
    return results


def ship_model(run: Path, model: Model, folder: Path) -> None:
    """Write the model with 16-bit kernels and measure it again: its answers differ from the run's on some images."""
    target = RunFolder(folder)
    copy_run(run, folder, SHIPPED)
    save_model(target, model, half=True)
    command = [sys.executable, "-m", "treehead", "evaluate", str(folder), *MEASURED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the model cannot be measured: {done.stderr.strip().removeprefix('treehead: ')}")
    copy_run(folder, folder, ("metrics.json",))
    for path in set(folder.iterdir()) - {folder / name for name in (*SHIPPED, target.weights.name)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def shipped_metrics(folder: Path) -> dict[str, Any] | None:
    """The metrics of the shipped model; None if the package has none of that name."""
    target = RunFolder(folder)
    return target.read_json(target.metrics) if target.weights.exists() else None


def figures(record: RunRecord) -> dict[str, Figure]:
    """The figures that the page shows, by name; those that this run's levels allow."""
    drawn = static_figures(record)
    return {name: drawn[name] for name in FIGURES if name in drawn}


def run_section(record: RunRecord, link: str, shipped: Mapping[str, Any] | None) -> str:
    """The text of the page, from the files of the published run. `link` leads from the page to them."""
    metrics, environment, network = record.metrics, record.environment, record.network
    assert metrics is not None
    assert environment["seconds"] is not None
    lines = [
        f"`treehead train {record.name}`: {network['parameters']:,} parameters, "
        f"{network['multiply_adds'] / 1e6:.1f} million multiply-adds per image, {len(record.history)} epochs, "
        f"{environment['seconds'] / 60:.0f} minutes in {environment['precision']} on "
        f"{_device(environment['machine'])}. One seed, last epoch, one view of each of the {metrics['images']:,} "
        f"official test images; tree {metrics['tree']}, decoder {metrics['decode']}. At the end of the training the "
        f"heads alone, each for itself, gave {_at_the_end(record)}.",
        "",
        *markdown_rows([["level", "accuracy", "top-5", "loss, nats", "calibration error"], *_level_rows(metrics)]),
        "",
        _mistakes(metrics),
        "",
        back_off(metrics),
        "",
        *_calibration(metrics),
    ]
    if shipped:
        levels = " / ".join(percent(value).removesuffix(" %") for value in shipped["accuracy"].values())
        lines += [
            f"The model in the package, `src/treehead/models/{record.name}`, is this network with 16-bit kernels. "
            f"Measured in float32 on a CPU it gives {levels} %, with {severity_counts(shipped)} images by severity.",
            "",
        ]
    lines += [f"![{text}]({link}/{name}.png)\n" for name, text in FIGURES.items()]
    lines.append(
        f"Files of the run: [config]({link}/config.toml), [history]({link}/history.jsonl), "
        f"[metrics]({link}/metrics.json), [environment]({link}/environment.json) and "
        f"[predictions]({link}/predictions.npz). `treehead report docs/{link}` draws its report with all confusion "
        "matrices."
    )
    return "\n".join(lines)


def _level_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            level,
            percent(metrics["accuracy"][level]),
            percent(metrics["top5"][level]),
            f"{metrics['loss'][level]:.3f}",
            percent(metrics["calibration_error"][level], 1),
        ]
        for level in metrics["levels"]
    ]


def _at_the_end(record: RunRecord) -> str:
    """Accuracy of every level after the last epoch, as in the history."""
    accuracy = record.history[-1]["validation"]["accuracy"]
    return f"{' / '.join(f'{100 * accuracy[level]:.2f}' for level in record.levels)} %"


def _calibration(metrics: Mapping[str, Any]) -> list[str]:
    """Where the calibration is from, and each guarantee beside what it gave on the test images."""
    calibration, guarantees = metrics["calibration"], metrics["guarantees"]
    weights = ", ".join(f"{level} {weight:.2f}" for level, weight in calibration["weights"].items())
    lines = [f"Weights of the heads in the posterior: {weights}. Calibration: {calibration['source']}.", ""]
    levels = metrics["levels"]
    heads = ["", *(f"{level}, head alone" for level in levels), *(f"{level}, posterior" for level in levels)]
    rows = [
        [
            name,
            *(
                f"{scale * calibration[part][key][level]:.{digits}f}"
                for part in ("before", "after")
                for level in levels
            ),
        ]
        for name, key, scale, digits in (
            ("log-loss", "loss", 1, 3),
            ("calibration error, %", "calibration_error", 100, 1),
        )
    ]
    lines += [*markdown_rows([heads, *rows]), ""]
    if bounds := guarantees["risk_control"]:
        heads = ["errors asked for", "made", "95 % interval", *(f"answers at {level}" for level in levels), "none"]
        rows = [
            [
                f"at most {100 * bound['max_error']:g} %",
                percent(bound["error"]),
                f"{percent(bound['low'])} to {percent(bound['high'])}",
                *(percent(bound["answered"][level], 1) for level in levels),
                percent(1 - sum(bound["answered"].values()), 1),
            ]
            for bound in bounds
        ]
        lines += [*markdown_rows([heads, *rows]), ""]
    if sets := guarantees["sets"]:
        heads = ["coverage asked for", "given", "95 % interval", "classes in a set", "leaves below them"]
        rows = [
            [
                f"{100 * one['asked']:g} %",
                percent(one["coverage"]),
                f"{percent(one['low'])} to {percent(one['high'])}",
                f"{one['nodes']:.2f}",
                f"{one['leaves']:.2f}",
            ]
            for one in sets
        ]
        lines += [*markdown_rows([heads, *rows]), ""]
    return lines


def _mistakes(metrics: Mapping[str, Any]) -> str:
    heights = " / ".join(map(str, range(len(metrics["levels"]) + 1)))
    share, chance = (
        " / ".join(f"{100 * part:.1f}" for part in metrics[key] or ()) for key in ("severity_share", "severity_chance")
    )
    hd = ", ".join(f"HD@{k} {value:.3f}" for k, value in metrics["hd"].items())
    return (
        f"Images by severity {heights}: {severity_counts(metrics)}. Of the mistakes, {share} % have severity "
        f"{heights.removeprefix('0 / ')} (mistakes at random: {chance} %); their mean severity is "
        f"{metrics['mistake_severity'] or 0:.3f}. {hd}; full-path accuracy {percent(metrics['full_path_accuracy'])}; "
        f"the answers contradict the tree on {percent(metrics['tree_inconsistency'])} of the images (the heads, "
        f"each for itself, on {percent(metrics['decoders']['independent']['tree_inconsistency'])})."
    )


def back_off(metrics: Mapping[str, Any], threshold: float = 0.8) -> str:
    """What answering at the deepest level whose confidence reaches the threshold gives."""
    figures, leaf = metrics["back_off"], metrics["levels"][0]
    place = figures["threshold"].index(threshold)
    (first, share), *others = ((level, shares[place]) for level, shares in figures["answered"].items())
    parts = [f"{percent(share, 1)} of images get a {first}-level answer"]
    parts += [f"{percent(share, 1)} a {level}-level answer" for level, share in others]
    none, wrong, always = 1 - figures["coverage"][place], figures["risk"][place] or 0.0, figures["risk"][0] or 0.0
    return (
        f"At a confidence threshold of {percent(threshold, 0)}, {', '.join(parts)}, and {percent(none, 1)} none. "
        f"{percent(wrong, 1)} of these answers are wrong, against {percent(always, 1)} if every image gets a "
        f"{leaf}-level answer."
    )


def _device(machine: Mapping[str, Any]) -> str:
    return f"an {machine['accelerator']}" if machine["accelerator"] else cores_of(machine)


if __name__ == "__main__":
    parser = ArgumentParser(description="Publish a finished run.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--no-model", action="store_true", help="leave the package's model as it is")
    arguments = parser.parse_args()
    try:
        print(publish(arguments.run, ship=not arguments.no_model))
    except UserError as error:
        sys.exit(f"publish_run: {error}")
