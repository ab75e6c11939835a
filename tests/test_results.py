"""What README and docs claim is what the files in the repository say."""

import json
from pathlib import Path

import numpy as np
import pytest

import publish
import publish_attempts
import treehead
import treehead.recipes
from treehead.data import cifar100
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.summary import summarise
from treehead.runfiles import RunFolder

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "docs" / "results" / "cifar100"


def test_the_attempts_are_told_by_their_files() -> None:
    folder = RESULTS.parent / "attempts"
    page, records = (folder / "README.md").read_text(), publish_attempts.read(folder, RESULTS)
    assert list(records) == [
        "published",
        "batches-of-128",
        "half-rate",
        "mixed-to-the-end",
        "muon",
        "plain-steps",
        "small-images-first",
        "three-stages",
    ]
    assert publish_attempts.filled(page, records) == page
    for name, record in records.items():
        assert record.metrics
        right = record.metrics["severity_counts"][0]
        assert f"| {name} | {right / 100:.2f} % |" in page
        assert record.history[-1]["validation"]["accuracy"]["fine"] == pytest.approx(right / 10_000)


def test_how_the_recipe_was_chosen_is_told_by_the_files() -> None:
    page, steps = (RESULTS.parent / "attempts" / "README.md").read_text(), RESULTS.parent / "steps"
    runs = [RunFolder(path) for path in sorted((steps / "runs").iterdir())]
    assert len(runs) == 7
    for run in runs:
        curve = [100 * record["validation"]["accuracy"]["fine"] for record in run.read_history()]
        assert f"| `{run.root.name}` | {curve[-1]:.2f} % | {np.mean(curve[-5:]):.2f} % |" in page


def test_the_mean_over_seeds_is_told_by_the_files() -> None:
    seeds = [RunFolder(RESULTS.parent / "seeds" / "runs" / f"seed{seed}") for seed in range(4)]
    means = [
        100 * np.mean([seed.read_json(seed.metrics)["accuracy"][level] for seed in seeds])
        for level in ("fine", "superclass", "group")
    ]
    readme, recipe = (REPOSITORY / "README.md").read_text(), treehead.recipes.cifar100.__doc__ or ""
    assert "{:.1f} / {:.1f} / {:.1f} %".format(*means) in (REPOSITORY / "docs" / "evidence.md").read_text()
    fine = [100 * seed.read_json(seed.metrics)["accuracy"]["fine"] for seed in seeds]
    assert f"({min(fine):.2f} to {max(fine):.2f} %)" in readme
    assert f"| **{np.mean(fine):.2f} %** |" in readme
    assert f"Superclass and group accuracy are {means[1]:.1f} % and {means[2]:.1f} %" in readme
    assert "fine {:.1f}, superclass {:.1f}, group {:.1f} %".format(*means) in " ".join(recipe.split())


def test_the_evidence_shows_the_published_run() -> None:
    page = (REPOSITORY / "docs" / "evidence.md").read_text()
    assert publish.filled(page, RESULTS) == page
    assert "treehead train cifar100`: 2," in page


def test_the_metrics_follow_from_the_predictions() -> None:
    folder = RunFolder(RESULTS)
    metrics, tree = folder.read_json(folder.metrics), LabelTree.from_json(folder.read_json(folder.tree))
    stored = folder.read_arrays(folder.predictions)
    again = summarise(
        tree,
        labels=stored["labels"].astype(np.int64),
        answers=stored["answers"].astype(np.int64),
        probabilities=[stored[f"probabilities_{level}"].astype(np.float64) for level in tree.levels],
    )
    assert again["images"] == 10_000
    for exact in ("accuracy", "severity_counts", "confusion", "full_path_accuracy", "tree_inconsistency"):
        assert again[exact] == metrics[exact], exact
    for close in ("loss", "top5", "hd"):  # probabilities are stored as 16-bit floats
        assert again[close] == pytest.approx(metrics[close], rel=2e-3), close


def test_the_last_epoch_is_the_number_of_record() -> None:
    history = RunFolder(RESULTS).read_history()
    metrics = json.loads((RESULTS / "metrics.json").read_text())
    assert [record["epoch"] for record in history] == list(range(1, 51))
    assert history[-1]["validation"]["accuracy"] == pytest.approx(metrics["accuracy"])


@pytest.mark.data
def test_the_shipped_model_is_the_published_one(cifar100_root: Path) -> None:
    """16-bit kernels answer as the run did, on all 10,000 test images."""
    classifier = treehead.load("cifar100")
    test = cifar100.read(cifar100_root, classifier.tree).test
    answers = classifier.predict(test.pixels).answers
    metrics = json.loads((RESULTS / "metrics.json").read_text())
    for column, level in enumerate(classifier.tree.levels):
        accuracy = float((answers[:, column] == test.labels[:, column]).mean())
        assert accuracy == pytest.approx(metrics["accuracy"][level], abs=0.003), level
