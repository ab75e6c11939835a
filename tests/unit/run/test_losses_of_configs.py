"""Every loss by hand, on a tree small enough to see: cat and dog are mammals, carp is a fish."""

import numpy as np
import pytest

from treehead.config import (
    CrossEntropyConfig,
    ExpectedSeverityConfig,
    HxeConfig,
    Loss,
    MarginalConfig,
    SeverityConfig,
    SoftLabelsConfig,
)
from treehead.engines.objective import level_losses
from treehead.hierarchy.tree import LabelTree
from treehead.run.losses import objective_of

TREE = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})
LEAVES = np.array([0.5, 0.3, 0.2])  # the leaf head's probabilities of cat, dog, carp
KINDS = np.array([0.6, 0.4])
LOGITS = [np.log(LEAVES)[None], np.log(KINDS)[None]]
CAT, DOG, CARP = (np.array([[leaf, leaf // 2]]) for leaf in range(3))


def losses(loss: Loss, labels: np.ndarray) -> list[float]:
    return level_losses(objective_of(loss, TREE), LOGITS, labels).tolist()


def test_cross_entropy() -> None:
    plain = CrossEntropyConfig(label_smoothing=0)
    assert losses(plain, DOG) == pytest.approx([-np.log(0.3), -np.log(0.6)])
    smooth = CrossEntropyConfig(label_smoothing=0.3)
    expected = -(0.1 * np.log(0.5) + 0.8 * np.log(0.3) + 0.1 * np.log(0.2))
    assert losses(smooth, DOG)[0] == pytest.approx(expected)


def test_severity_scales_by_what_is_answered_now() -> None:
    """The leaf head answers cat: right for a cat, one edge off for a dog, two for a carp; the other head: mammal."""
    loss = SeverityConfig(label_smoothing=0, alpha=0.5)
    assert losses(loss, CAT) == pytest.approx([0.5 * -np.log(0.5), 0.5 * -np.log(0.6)])
    assert losses(loss, DOG)[0] == pytest.approx(1.5 * -np.log(0.3))
    assert losses(loss, CARP) == pytest.approx([2.5 * -np.log(0.2), 1.5 * -np.log(0.4)])


def test_expected_severity_adds_what_the_probabilities_would_cost() -> None:
    loss = ExpectedSeverityConfig(label_smoothing=0, weight=0.1)
    assert losses(loss, DOG) == pytest.approx(
        [-np.log(0.3) + 0.1 * (0.5 * 1 + 0.2 * 2), -np.log(0.6) + 0.1 * (0.4 * 1)]
    )


def test_marginal_adds_the_summed_leaves() -> None:
    loss = MarginalConfig(label_smoothing=0, weight=0.7)
    assert losses(loss, DOG) == pytest.approx([-np.log(0.3) - 0.7 * np.log(0.5 + 0.3), -np.log(0.6)])


def test_hxe_is_the_weighted_sum_of_its_conditional_probabilities() -> None:
    loss = HxeConfig(label_smoothing=0, alpha=0.4)
    leaf_given_kind, kind = 0.3 / 0.8, 0.8
    assert losses(loss, DOG)[0] == pytest.approx(-np.log(leaf_given_kind) - np.exp(-0.4) * np.log(kind))
    assert losses(HxeConfig(label_smoothing=0, alpha=0), DOG)[0] == pytest.approx(-np.log(0.3))


def test_soft_labels_fall_off_with_the_distance() -> None:
    weights = np.exp([-2.0 * 1 / 2, 0, -2.0 * 2 / 2])  # of cat, dog and carp for a dog, in a tree two edges high
    targets = weights / weights.sum()
    loss = SoftLabelsConfig(label_smoothing=0, beta=2)
    assert losses(loss, DOG)[0] == pytest.approx(-(targets * np.log(LEAVES)).sum())


def test_what_is_not_known_teaches_nothing() -> None:
    loss = CrossEntropyConfig(label_smoothing=0)
    objective = objective_of(loss, TREE)
    logits = [np.repeat(level, 2, axis=0) for level in LOGITS]
    only_kind = np.array([[-1, 0], [1, 0]])
    assert level_losses(objective, logits, only_kind).tolist() == pytest.approx([-np.log(0.3), -np.log(0.6)])
    assert level_losses(objective, logits, np.array([[-1, 0], [-1, 0]]))[0] == 0
