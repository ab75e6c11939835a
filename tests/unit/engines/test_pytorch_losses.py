"""The device's losses against NumPy's, their gradients, and Muon's step."""

import dataclasses

import numpy as np
import pytest
import torch

from treehead.config import (
    CrossEntropyConfig,
    ExpectedSeverityConfig,
    HxeConfig,
    Loss,
    MarginalConfig,
    MuonConfig,
    NetworkConfig,
    SeverityConfig,
    SoftLabelsConfig,
    StageConfig,
)
from treehead.engines.objective import Objective, level_losses
from treehead.engines.pytorch.loss import HeadLosses, MixedLabels
from treehead.engines.pytorch.network import Network
from treehead.engines.pytorch.optim import Optimizers, orthogonalised
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.run.losses import objective_of
from treehead.spec import build_spec
from treehead.types import Array

TREE = cifar100_tree()
LOSSES: list[Loss] = [
    CrossEntropyConfig(),
    SeverityConfig(alpha=0.7),
    ExpectedSeverityConfig(weight=0.4),
    MarginalConfig(weight=0.6),
    HxeConfig(alpha=0.5),
    SoftLabelsConfig(beta=6),
]
RNG = np.random.default_rng(0)
LOGITS = [3 * RNG.standard_normal((12, size)) for size in TREE.sizes]
LABELS = TREE.label_paths(RNG.integers(100, size=12))
OTHERS = TREE.label_paths(RNG.integers(100, size=12))


def on_device(objective: Objective, labels: Array, others: Array, share: Array) -> Array:
    mixed = MixedLabels(torch.tensor(labels), torch.tensor(others), torch.tensor(share, dtype=torch.float32))
    logits = [torch.tensor(level, dtype=torch.float32) for level in LOGITS]
    return HeadLosses(objective, torch.device("cpu"))(logits, mixed).numpy()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.kind)
def test_the_device_computes_what_numpy_says(loss: Loss) -> None:
    objective = objective_of(loss, TREE)
    class_weights = tuple(RNG.uniform(0.5, 2, size) for size in TREE.sizes)
    unknown = LABELS.copy()
    unknown[:4, 0], unknown[2, 1] = -1, -1
    for asked, labels in ((objective, LABELS), (dataclasses.replace(objective, class_weights=class_weights), unknown)):
        losses = on_device(asked, labels, OTHERS, np.zeros(12))
        np.testing.assert_allclose(losses, level_losses(asked, LOGITS, labels), rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.kind)
def test_a_mixed_image_counts_as_both(loss: Loss) -> None:
    objective = objective_of(loss, TREE)
    half = on_device(objective, LABELS, OTHERS, np.full(12, 0.25))
    expected = 0.75 * level_losses(objective, LOGITS, LABELS) + 0.25 * level_losses(objective, LOGITS, OTHERS)
    np.testing.assert_allclose(half, expected, rtol=1e-5)


def leaf_gradient(loss: Loss, logits: Array, label: int) -> Array:
    """d(loss of the leaf head)/d(its logits) for one image."""
    leaf = torch.tensor(logits[None], requires_grad=True)
    rest = [torch.zeros(1, size, dtype=torch.float64) for size in TREE.sizes[1:]]
    labels = torch.tensor(TREE.label_paths(np.array([label])))
    losses = HeadLosses(objective_of(loss, TREE), torch.device("cpu"))
    losses([leaf, *rest], MixedLabels(labels, labels, torch.zeros(1)))[0].backward()
    assert leaf.grad is not None
    return leaf.grad.numpy()[0]


def test_the_severity_losses_gradient_prefers_no_sibling() -> None:
    """It is (alpha + severity) * (p - y): every wrong class is pushed down in proportion to its probability alone."""
    logits, label = LOGITS[0][0], 3
    p = np.exp(logits) / np.exp(logits).sum()
    severity = TREE.heights[label, logits.argmax()]
    gradient = leaf_gradient(SeverityConfig(label_smoothing=0, alpha=0.7), logits, label)
    np.testing.assert_allclose(gradient, (0.7 + severity) * (p - np.eye(100)[label]), atol=1e-6)


def test_expected_severitys_gradient_prefers_the_sibling() -> None:
    """It adds weight * p_j * (severity_j - mean severity)."""
    logits, label = LOGITS[0][0], 3
    p = np.exp(logits) / np.exp(logits).sum()
    cost = TREE.heights[label]
    gradient = leaf_gradient(ExpectedSeverityConfig(label_smoothing=0, weight=0.4), logits, label)
    np.testing.assert_allclose(gradient, p - np.eye(100)[label] + 0.4 * p * (cost - p @ cost), atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 40), (40, 8)])
def test_orthogonalised_brings_singular_values_near_1(shape: tuple[int, int]) -> None:
    matrix = torch.from_numpy(np.random.default_rng(1).standard_normal(shape).astype(np.float32))
    before, after = (torch.linalg.svdvals(m) for m in (matrix / matrix.norm(), orthogonalised(matrix)))
    assert before.max() / before.min() > 2
    assert after.min() > 0.5
    assert after.max() < 1.5
    assert (torch.trace(orthogonalised(matrix) @ matrix.T)) > 0  # and they point the same way


def test_muon_turns_kernels_of_a_fixed_norm_and_leaves_the_rest_to_adam() -> None:
    network_config = NetworkConfig(stages=(StageConfig(width=8),))
    spec = build_spec(network_config, input_shape=(3, 8, 8), levels=("fine",), sizes=(4,))
    torch.manual_seed(0)
    network = Network(spec)
    optimizers = Optimizers(network, MuonConfig(momentum=0.6, adam_learning_rate=0.01, weight_decay=0))
    kernel, head = network.get_parameter("trunk.stage1_conv.weight"), network.get_parameter("heads.fine.weight")
    before, head_before = kernel.detach().clone(), head.detach().clone()
    network(torch.randn(6, 3, 8, 8))[0].square().sum().backward()
    assert kernel.grad is not None
    turn = orthogonalised((1 + 0.6) * kernel.grad.flatten(1)).view_as(kernel)
    expected = before * 8**0.5 / before.norm() - 0.18 * turn
    optimizers.step(0.18)
    torch.testing.assert_close(kernel.detach(), expected)
    torch.testing.assert_close((head.detach() - head_before).abs().max(), torch.tensor(0.01), rtol=1e-3, atol=0)
    assert {key.split(".")[0] for key in optimizers.state()} == {"direction", "exp_avg", "exp_avg_sq", "step"}
