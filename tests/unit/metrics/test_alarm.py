"""The warning about a tree that does not match the labels: none on sensible trees of every shape, on random ones."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from treehead.hierarchy.cifar100 import GROUPINGS, cifar100_tree
from treehead.hierarchy.tree import LabelTree
from treehead.metrics.alarm import alarm, tree_test
from treehead.metrics.flat import confusion_matrix
from treehead.run.text import metric_lines
from treehead.runfiles import RunFolder
from treehead.types import Array

RESULTS = Path(__file__).parents[3] / "docs" / "results" / "cifar100"


@pytest.fixture(scope="module")
def stored() -> dict[str, Array]:
    folder = RunFolder(RESULTS)
    return {name: values.astype(np.int64) for name, values in folder.read_arrays(folder.predictions).items()}


@pytest.fixture(scope="module")
def confusion(stored: dict[str, Array]) -> Array:
    return confusion_matrix(stored["labels"][:, 0], stored["answers"][:, 0], num_classes=100)


def relabelled(tree: LabelTree, order: Array) -> LabelTree:
    """The tree with its leaves in another order: the same shape, other classes."""
    return dataclasses.replace(tree, parents=(tuple(np.array(tree.parents[0])[order].tolist()), *tree.parents[1:]))


def confused(tree: LabelTree, looks: Array, *, images: int = 200, right: float = 0.7) -> Array:
    """(K, K) counts of a classifier that confuses what looks alike. Shapes: looks: (K, F), features of each leaf."""
    distances = np.linalg.norm(looks[:, None] - looks[None], axis=2)
    shares = np.exp(-3 * distances)
    np.fill_diagonal(shares, 0)
    shares = (1 - right) * shares / shares.sum(axis=1, keepdims=True) + right * np.eye(len(looks))
    rng = np.random.default_rng(0)
    return np.stack([rng.multinomial(images, row) for row in shares])


@pytest.mark.parametrize("name", GROUPINGS)
def test_the_published_trees_fit_their_labels(confusion: Array, name: str) -> None:
    assert alarm(cifar100_tree(name), confusion) is None


@pytest.mark.parametrize("name", GROUPINGS)
def test_random_trees_give_a_warning(confusion: Array, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On at least 95 in 100 of 200 trees of each shape, CIFAR-100's with its leaves permuted."""
    monkeypatch.setattr("treehead.metrics.alarm.PERMUTATIONS", 60)
    tree, rng = cifar100_tree(name), np.random.default_rng(1)
    warned = [alarm(relabelled(tree, rng.permutation(100)), confusion) is not None for _ in range(200)]
    assert np.mean(warned) >= 0.95


def test_superclasses_by_id_range_give_a_warning_with_the_cause(confusion: Array) -> None:
    by_position = dataclasses.replace(
        cifar100_tree(), parents=(tuple(i // 5 for i in range(100)), *cifar100_tree().parents[1:])
    )
    text = alarm(by_position, confusion)
    assert text is not None
    assert text.startswith("does tree 'haf8' match the labels? The 2,")
    assert "check how superclass was computed: it is `id // 5` here" in text


@pytest.mark.parametrize("num_images", [100, 300, 1_000, 3_000])
def test_the_true_tree_gives_no_warning_on_any_number_of_images(stored: dict[str, Array], num_images: int) -> None:
    for seed in range(20):
        some = np.random.default_rng(seed).permutation(10_000)[:num_images]
        counts = confusion_matrix(stored["labels"][some, 0], stored["answers"][some, 0], num_classes=100)
        assert alarm(cifar100_tree(), counts) is None


def test_random_answers_give_no_warning() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(10_000) % 100
    for answers in (rng.integers(100, size=10_000), np.full(10_000, 7)):
        assert alarm(cifar100_tree(), confusion_matrix(labels, answers, num_classes=100)) is None


def few_leaves() -> tuple[LabelTree, Array]:
    """Four leaves allow three trees of two pairs: none can be told from random."""
    tree = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp", "eel"]})
    return tree, np.array([[0.0], [0.9], [0.5], [1.4]])


def one_parent() -> tuple[LabelTree, Array]:
    leaves = [f"leaf{i}" for i in range(12)]
    return LabelTree.from_nested("flat", ("fine", "all"), {"all": leaves}), np.random.default_rng(0).normal(
        size=(12, 3)
    )


def deep() -> tuple[LabelTree, Array]:
    """A binary tree of 32 leaves and 5 levels whose leaves inherit their looks from every ancestor."""
    parents = tuple(tuple(i // 2 for i in range(2**depth)) for depth in (5, 4, 3, 2))
    names = tuple(tuple(f"{depth}-{i}" for i in range(2**depth)) for depth in (5, 4, 3, 2, 1))
    tree = LabelTree("deep", ("a", "b", "c", "d", "e"), names, parents)
    rng = np.random.default_rng(0)
    looks = sum(rng.normal(size=(size, 4))[ids] for size, ids in zip(tree.sizes, tree.ancestors, strict=True))
    return tree, np.asarray(looks)


def unbalanced() -> tuple[LabelTree, Array]:
    """A genus of 14 species beside six of one or two."""
    sizes = [14, 2, 2, 1, 1, 1, 1]
    nested = {f"genus{i}": [f"species{i}-{j}" for j in range(size)] for i, size in enumerate(sizes)}
    tree = LabelTree.from_nested("genera", ("species", "genus"), nested)
    rng = np.random.default_rng(0)
    looks = 1.5 * rng.normal(size=(7, 3))[tree.ancestors[1]] + 0.6 * rng.normal(size=(tree.num_leaves, 3))
    return tree, looks


def functional() -> tuple[LabelTree, Array]:
    """Things grouped by use: some siblings look alike (balls, cutlery), and some look like things of another use."""
    nested = {
        "food": ["apple", "orange", "egg", "sausage", "bread", "cake"],
        "sport": ["tennis ball", "football", "golf ball", "bat", "club", "racket"],
        "kitchen": ["knife", "fork", "spoon", "plate", "bowl", "lid"],
        "tools": ["screwdriver", "chisel", "hammer", "saw", "file", "wheel"],
    }
    look = ["ball", "ball", "ball", "rod", "block", "block", *["ball"] * 3, *["rod"] * 3, *["blade"] * 3, *["disc"] * 3]
    look += ["blade", "blade", "rod", "blade", "blade", "disc"]
    tree = LabelTree.from_nested("uses", ("thing", "use"), nested)
    forms = sorted(set(look))
    rng = np.random.default_rng(0)
    return tree, 1.2 * np.eye(len(forms))[[forms.index(form) for form in look]] + 0.3 * rng.normal(size=(24, 5))


@pytest.mark.parametrize("make", [few_leaves, one_parent, deep, unbalanced, functional])
def test_sensible_trees_of_every_shape_give_no_warning(make: Callable[[], tuple[LabelTree, Array]]) -> None:
    tree, looks = make()
    for images in (5, 30, 200, 2_000):
        assert alarm(tree, confused(tree, looks, images=images)) is None


def test_a_small_scrambled_tree_gives_a_warning() -> None:
    """So the trees above have enough leaves for a warning."""
    tree, looks = functional()
    counts, rng = confused(tree, looks, images=2_000), np.random.default_rng(0)
    warned = [alarm(relabelled(tree, rng.permutation(24)), counts) is not None for _ in range(40)]
    assert np.mean(warned) >= 0.9


def test_siblings_that_are_confused_least_give_no_warning() -> None:
    """A classifier that confuses textures across all shapes hardly ever confuses siblings: not random either."""
    leaves = np.arange(24)
    tree = LabelTree(
        "shapes",
        ("fine", "shape"),
        (tuple(f"leaf{i}" for i in leaves), tuple(f"shape{i}" for i in range(6))),
        (tuple((leaves // 4).tolist()),),
    )
    same_texture = (leaves[:, None] % 4 == leaves % 4) & (leaves[:, None] != leaves)
    assert alarm(tree, 430 * np.eye(24, dtype=int) + 20 * same_texture) is None


def test_mean_severities_by_hand() -> None:
    tree = LabelTree.from_nested("pairs", ("fine", "kind"), {"x": ["a", "b"], "y": ["c", "d"], "z": ["e", "f"]})
    counts = np.diag([7, 9, 10, 10, 10, 10])
    counts[0, 1], counts[0, 2], counts[1, 5] = 2, 1, 1
    result = tree_test(tree, counts)
    assert result is not None
    assert (result.mistakes, result.severity) == (4, 1.5)
    assert result.random_mean == pytest.approx(1.8, abs=0.03)  # one sibling among five others
    assert tree_test(tree, 10 * np.eye(6, dtype=int)) is None


def test_the_command_line_prints_the_warning_on_its_own_line(confusion: Array) -> None:
    folder = RunFolder(RESULTS)
    metrics = folder.read_json(folder.metrics)
    text = alarm(relabelled(cifar100_tree(), np.random.default_rng(0).permutation(100)), confusion)
    assert f"WARNING: {text}" in list(metric_lines(metrics | {"alarm": text}))
    assert not any("WARNING" in line for line in metric_lines(metrics | {"alarm": None}))
