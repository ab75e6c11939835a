"""The alarm for a scrambled tree: by hand, and on the real answers of the published run."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from treehead.hierarchy.cifar100 import GROUPINGS, cifar100_tree
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.alarm import alarm, siblings
from treehead.metrics.flat import confusion_matrix
from treehead.run.text import metric_lines
from treehead.runfiles import RunFolder
from treehead.types import Array

RESULTS = Path(__file__).parents[3] / "docs" / "results" / "cifar100"
PAIRS = LabelTree.from_nested("pairs", ("fine", "kind"), {"x": ["a", "b"], "y": ["c", "d"], "z": ["e", "f"]})


@pytest.fixture(scope="module")
def stored() -> dict[str, Array]:
    folder = RunFolder(RESULTS)
    return {name: values.astype(np.int64) for name, values in folder.read_arrays(folder.predictions).items()}


@pytest.fixture(scope="module")
def confusion(stored: dict[str, Array]) -> Array:
    return confusion_matrix(stored["labels"][:, 0], stored["answers"][:, 0], num_classes=100)


def regrouped(tree: LabelTree, superclasses: Array) -> LabelTree:
    return dataclasses.replace(tree, parents=(tuple(superclasses.tolist()), *tree.parents[1:]))


def test_mistakes_between_siblings_by_hand() -> None:
    counts = np.diag([7, 9, 10, 10, 10, 10])
    counts[0, 1], counts[0, 2], counts[1, 5] = 2, 1, 1
    found = siblings(counts, PAIRS.heights)
    assert found is not None
    assert (found.mistakes, found.share) == (4, 0.5)
    assert found.chance == pytest.approx(1 / 5)  # one sibling among five others
    assert found.highest == pytest.approx((0.5 + 0.83205 + 1.05277) / 2.6641, abs=1e-5)  # n = 4, z = 2.58
    assert found.knowledge == pytest.approx((56 / 60 - 1 / 6) / (5 / 6))
    assert not found.at_chance


@pytest.mark.parametrize("name", GROUPINGS)
def test_the_published_trees_fit_their_labels(confusion: Array, name: str) -> None:
    assert alarm(cifar100_tree(name), confusion) is None


def test_superclasses_by_position_are_found_out_and_named(confusion: Array) -> None:
    scrambled = regrouped(cifar100_tree(), np.arange(100) // 5)
    said = alarm(scrambled, confusion)
    assert said is not None
    assert "tree 'haf8' and the labels probably do not belong together" in said
    found = r"\d\.\d % of the 2,\d{3} mistakes stay inside the true superclass, and random answers would give 4\.0 %"
    assert re.search(found, said)
    assert "each superclass is a run of neighbouring ids (0 to 4, 5 to 9, ...), as `id // 5` gives it" in said


@pytest.mark.parametrize("seed", range(5))
def test_any_other_numbering_is_found_out_too(confusion: Array, seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(cifar100_tree().parents[0])
    said = alarm(regrouped(cifar100_tree(), shuffled), confusion)
    assert said is not None
    assert "labels and tree were numbered differently" in said


@pytest.mark.parametrize("num_images", [100, 300, 1_000, 3_000])
def test_the_true_tree_stays_quiet_however_few_the_images(stored: dict[str, Array], num_images: int) -> None:
    for seed in range(20):
        some = np.random.default_rng(seed).permutation(10_000)[:num_images]
        counts = confusion_matrix(stored["labels"][some, 0], stored["answers"][some, 0], num_classes=100)
        assert alarm(cifar100_tree(), counts) is None


def test_too_few_mistakes_say_nothing(stored: dict[str, Array]) -> None:
    scrambled = regrouped(cifar100_tree(), np.arange(100) // 5)
    counts = confusion_matrix(stored["labels"][:150, 0], stored["answers"][:150, 0], num_classes=100)
    assert alarm(scrambled, counts) is None


def test_a_guesser_says_nothing_of_the_tree() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(10_000) % 100
    for answers in (rng.integers(100, size=10_000), np.full(10_000, 7)):
        assert alarm(cifar100_tree(), confusion_matrix(labels, answers, num_classes=100)) is None


def test_siblings_that_are_told_apart_best_are_no_scramble() -> None:
    """As the embedded shapes: a good classifier mistakes the shape and not the filling, hence hardly ever siblings."""
    leaves = np.arange(24)
    tree = LabelTree(
        "shapes",
        ("fine", "shape"),
        (tuple(f"leaf{i}" for i in leaves), tuple(f"shape{i}" for i in range(6))),
        (tuple((leaves // 4).tolist()),),
    )
    same_filling = (leaves[:, None] % 4 == leaves % 4) & (leaves[:, None] != leaves)
    assert alarm(tree, 43 * np.eye(24, dtype=int) + 2 * same_filling) is None
    fillings = dataclasses.replace(tree, parents=(tuple(np.random.default_rng(0).permutation(leaves // 4).tolist()),))
    assert alarm(fillings, 43 * np.eye(24, dtype=int) + 2 * same_filling) is not None


def test_flat_trees_only_children_and_no_mistake_are_no_matter() -> None:
    flat = LabelTree("flat", ("fine",), (("a", "b", "c"),), ())
    alone = LabelTree.from_nested("alone", ("fine", "kind"), {"x": ["a"], "y": ["b"], "z": ["c"]})
    counts = np.array([[50, 25, 25], [25, 50, 25], [25, 25, 50]])
    for tree in (flat, alone):
        assert siblings(counts, tree.heights) is None
        assert alarm(tree, counts) is None
    assert alarm(PAIRS, 10 * np.eye(6, dtype=int)) is None


def test_the_command_line_says_it_in_a_line_of_its_own(confusion: Array) -> None:
    folder = RunFolder(RESULTS)
    metrics = folder.read_json(folder.metrics)
    said = alarm(regrouped(cifar100_tree(), np.arange(100) // 5), confusion)
    assert f"WARNING: {said}" in list(metric_lines(metrics | {"alarm": said}))
    assert not any("WARNING" in line for line in metric_lines(metrics | {"alarm": None}))
