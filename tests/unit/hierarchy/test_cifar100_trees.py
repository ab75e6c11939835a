"""CIFAR-100's trees against what is published about them."""

import numpy as np
import pytest

from treehead.data.shapes import shapes_tree
from treehead.hierarchy.cifar100 import cifar100_tree, tree_of_the_literature
from treehead.hierarchy.severity import chance_shares
from treehead.types import UserError


@pytest.mark.parametrize(
    ("name", "levels", "sizes"),
    [
        ("haf8", ("fine", "superclass", "group"), (100, 20, 8)),
        ("bcnn8", ("fine", "superclass", "group"), (100, 20, 8)),
        ("superclass", ("fine", "superclass"), (100, 20)),
        ("haf5", ("fine", "superclass", "group", "group4", "group2"), (100, 20, 8, 4, 2)),
    ],
)
def test_levels_and_sizes(name: str, levels: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    tree = cifar100_tree(name)
    assert (tree.name, tree.levels, tree.sizes) == (name, levels, sizes)


@pytest.mark.parametrize("name", ["haf8", "bcnn8", "superclass", "haf5"])
def test_ids_are_the_official_ones(name: str) -> None:
    fine, superclass = cifar100_tree(name).names[:2]
    assert list(fine) == sorted(fine)
    assert list(superclass) == sorted(superclass)
    assert (fine[0], fine[19], fine[99]) == ("apple", "cattle", "worm")
    assert (superclass[0], superclass[11], superclass[19]) == (
        "aquatic_mammals",
        "large_omnivores_and_herbivores",
        "vehicles_2",
    )
    assert set(np.bincount(cifar100_tree(name).parents[0])) == {5}  # five fine classes each


def test_paths_of_the_default_tree() -> None:
    tree = cifar100_tree()
    paths = {names[0]: names[1:] for names in map(tree.path_names, range(100))}
    assert paths["apple"] == ("fruit_and_vegetables", "plants")
    assert paths["whale"] == ("aquatic_mammals", "aquatic_animals")
    assert paths["crocodile"] == ("reptiles", "insects_invertebrates_reptiles")
    assert paths["tank"] == ("vehicles_2", "vehicles")


def test_the_two_published_groupings_differ() -> None:
    haf, bcnn = cifar100_tree("haf8"), cifar100_tree("bcnn8")
    people = haf.names[1].index("people")
    assert haf.names[2][haf.parents[1][people]] == "mammals_and_people"
    assert bcnn.names[2][bcnn.parents[1][people]] == "people"


def test_haf8_is_the_lower_part_of_haf5() -> None:
    whole = cifar100_tree("haf5")
    assert whole.path_names(0) == ("apple", "fruit_and_vegetables", "plants", "plants", "living_things")
    lower = cifar100_tree("haf8")
    assert (whole.names[:3], whole.parents[:2]) == (lower.names, lower.parents)


def test_random_mistakes_on_the_default_tree() -> None:
    np.testing.assert_allclose(chance_shares(cifar100_tree()), [0.040, 0.106, 0.854], atol=5e-4)


def test_an_unknown_tree_is_refused_with_the_known_names() -> None:
    with pytest.raises(UserError, match=r"no tree 'haf9'; .* one of haf8, bcnn8, superclass, haf5"):
        cifar100_tree("haf9")


def test_the_tree_of_the_literature_has_the_same_leaves() -> None:
    assert tree_of_the_literature(cifar100_tree("bcnn8")) == cifar100_tree("haf5")
    assert tree_of_the_literature(shapes_tree()) is None
