"""Laws of every label tree."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import trees

from treehead.hierarchy.severity import chance_shares, level_severities, severity_matrix
from treehead.hierarchy.tree import LabelTree


@given(trees())
def test_heights_are_an_ultrametric(tree: LabelTree) -> None:
    heights = tree.heights
    assert (heights == heights.T).all()
    assert ((heights == 0) == np.eye(tree.num_leaves, dtype=bool)).all()
    assert heights.max() <= len(tree.levels)
    assert (heights[:, None, :] <= np.maximum(heights[:, :, None], heights[None, :, :])).all()


@given(trees(), st.data())
def test_a_height_is_the_first_level_that_two_leaves_share(tree: LabelTree, data: st.DataObject) -> None:
    one, other = (data.draw(st.integers(0, tree.num_leaves - 1)) for _ in range(2))
    shared = [a == b for a, b in zip(tree.path_names(one), tree.path_names(other), strict=True)]
    assert tree.heights[one, other] == [*shared, True].index(True)


@given(trees())
def test_every_class_is_the_parent_of_its_children(tree: LabelTree) -> None:
    ancestors = tree.ancestors
    for level, parents in enumerate(tree.parents):
        assert (np.array(parents)[ancestors[level]] == ancestors[level + 1]).all()
    assert tuple(len(set(row)) for row in ancestors.tolist()) == tree.sizes


@given(trees())
def test_the_leaf_order_keeps_siblings_together(tree: LabelTree) -> None:
    order = tree.leaf_order
    assert sorted(order) == list(range(tree.num_leaves))
    for row, size in zip(tree.ancestors[:, order], tree.sizes, strict=True):
        assert (np.diff(row) != 0).sum() + 1 == size


@given(trees())
def test_json_keeps_the_tree(tree: LabelTree) -> None:
    assert LabelTree.from_json(json.loads(json.dumps(tree.to_json()))) == tree


@given(trees())
def test_paths_rebuild_the_tree(tree: LabelTree) -> None:
    paths = [tree.path_names(leaf) for leaf in range(tree.num_leaves)]
    again = LabelTree.from_paths(tree.name, tree.levels, paths)
    assert [again.path_names(leaf) for leaf in range(again.num_leaves)] == paths
    assert (again.heights == tree.heights).all()


@given(trees())
def test_severities_of_a_level_are_those_of_the_tree_without_the_levels_below(tree: LabelTree) -> None:
    for level, severities in enumerate(level_severities(tree)):
        upper = LabelTree(tree.name, tree.levels[level:], tree.names[level:], tree.parents[level:])
        np.testing.assert_array_equal(severities, severity_matrix(upper))


@given(trees(min_leaves=2))
def test_chance_shares_are_the_severities_of_all_wrong_pairs(tree: LabelTree) -> None:
    shares, severities = chance_shares(tree), severity_matrix(tree)
    wrong = severities[~np.eye(tree.num_leaves, dtype=bool)]
    np.testing.assert_allclose(shares, [(wrong == height + 1).mean() for height in range(len(tree.levels))])
    np.testing.assert_allclose(shares.sum(), 1)
