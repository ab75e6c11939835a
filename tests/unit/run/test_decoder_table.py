"""Every decoder of one run: by hand, and on the published run's probabilities."""

from pathlib import Path

import numpy as np
import pytest

from treehead.data.dataset import Images
from treehead.decode import DECODERS
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.hierarchy.tree import LabelTree
from treehead.inference.calibration import read_calibration
from treehead.metrics.flat import softmax
from treehead.records.run import Metrics, TreeFigures
from treehead.run.decoder_table import tree_figures
from treehead.run.evaluation import misclassified_samples
from treehead.run.predictions import read_predictions
from treehead.run.text import decoder_lines, metric_lines
from treehead.runfiles import RunFolder

RESULTS = RunFolder(Path(__file__).parents[3] / "docs" / "results" / "cifar100")
PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return RESULTS.read_json(RESULTS.metrics)


@pytest.fixture(scope="module")
def figures(metrics: Metrics) -> TreeFigures:
    tree = cifar100_tree(metrics["tree"])
    stored = read_predictions(RESULTS, tree)
    nodes = read_calibration(RESULTS, tree).posterior(stored.logits, tree)
    heads = [softmax(level) for level in stored.logits]
    return tree_figures(tree, labels=stored.labels, nodes=nodes, heads=heads, decode_kind="path")


def test_one_image_by_hand() -> None:
    """A carp's leaf head says carp, its kind head mammal; the posterior finds a dog likelier."""
    heads = [np.array([[0.25, 0.35, 0.40]]), np.array([[0.55, 0.45]])]
    nodes = [np.array([[0.25, 0.40, 0.35]]), np.array([[0.65, 0.35]])]
    measured = tree_figures(PETS, labels=np.array([[2, 1]]), nodes=nodes, heads=heads, decode_kind="path")
    assert measured.keys() == {"decoders", "alarm"}  # no haf5: these are no leaves of CIFAR-100
    independent, path = measured["decoders"]["independent"], measured["decoders"]["path"]
    assert independent["accuracy"] == {"fine": 1.0, "kind": 0.0}
    assert independent["severity_counts"] == [1, 0, 0]
    assert (independent["full_path_accuracy"], independent["tree_inconsistency"]) == (0.0, 1.0)
    assert independent["hierarchical"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8})
    assert path["accuracy"] == {"fine": 0.0, "kind": 0.0}
    assert path["severity_counts"] == [0, 0, 1]
    assert (path["full_path_accuracy"], path["tree_inconsistency"]) == (0.0, 0.0)


def test_the_published_table_follows_from_the_stored_logits(figures: TreeFigures, metrics: Metrics) -> None:
    for kind, row in figures["decoders"].items():
        published = metrics["decoders"][kind]
        assert row["severity_counts"] == published["severity_counts"], kind
        assert row["accuracy"] == pytest.approx(published["accuracy"]), kind
    assert metrics["accuracy"] == metrics["decoders"][metrics["decode"]]["accuracy"]


def test_consistent_decoders_answer_with_paths(figures: TreeFigures) -> None:
    assert list(figures["decoders"]) == list(DECODERS)
    for kind in sorted(set(DECODERS) - {"independent"}):
        row = figures["decoders"][kind]
        assert row["tree_inconsistency"] == 0, kind
        assert row["full_path_accuracy"] == row["accuracy"]["fine"], kind
        severity = np.arange(4) @ row["severity_counts"] / 10_000
        assert row["hd"]["1"] == pytest.approx(severity), kind
        assert row["hierarchical"]["f1"] == pytest.approx(1 - severity / 3), kind
    assert figures["decoders"]["independent"]["tree_inconsistency"] > 0.1


def test_haf5_refines_the_tree_of_the_run(figures: TreeFigures) -> None:
    """haf5 has haf8's fine, superclass and group below two more levels, so its severities 4 and 5 are haf8's 3."""
    assert figures.get("haf5") == figures["decoders"]["path"].get("haf5")
    for row in figures["decoders"].values():
        assert "haf5" in row
        three, five = row["severity_counts"], row["haf5"]["severity_counts"]
        assert len(five) == 6
        assert [*five[:3], sum(five[3:])] == three
        assert row["haf5"]["hd"]["1"] >= row["hd"]["1"]


def test_samples_are_kept_of_the_frequent_and_of_the_costliest_confusions() -> None:
    """Fourteen pairs of siblings are confused twice, twelve of which leave images; one of strangers costs more."""
    tree = LabelTree.from_nested(
        "t", ("a", "b", "c"), {"x": {f"p{i}": [f"{i}", f"{i}'"] for i in range(14)}, "y": {"q": ["z"]}}
    )
    siblings = [(2 * i, 2 * i + 1) for i in range(14) for _ in range(2)]
    pairs = np.array([*siblings, (28, 0)])
    images = Images(np.arange(len(pairs), dtype=np.uint8)[:, None, None, None], tree.label_paths(pairs[:, 0]))
    kept = misclassified_samples(images, tree.label_paths(pairs[:, 1]), tree.heights)
    assert kept["pixels"].ravel().tolist() == [*range(24), 28]
    assert kept["labels"][-1].tolist() == [28, 14, 1]
    assert kept["answers"][-1].tolist() == [0, 0, 0]


def test_printed_figures_have_a_line_for_every_decoder(figures: TreeFigures, metrics: Metrics) -> None:
    measured: Metrics = {**metrics, **figures}
    head, *lines = decoder_lines(measured)
    rows, legend = lines[: len(DECODERS)], lines[len(DECODERS)]
    assert head.split()[:4] == ["decoder", "fine", "superclass", "group"]
    assert [row.split()[0] for row in rows] == list(DECODERS)
    assert all(len(row) == len(head) for row in rows)
    assert legend.startswith("accuracy of each level, FPA (full-path accuracy)")
    assert any(line.startswith("on tree haf5           mean mistake severity 2.") for line in metric_lines(measured))
