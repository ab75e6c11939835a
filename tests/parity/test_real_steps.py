"""Both engines on the real CIFAR-100, with the default network."""

from pathlib import Path

import numpy as np
import pytest

from treehead.config import AdamConfig, DataConfig, EngineConfig
from treehead.data.augment import draw_epoch_plan
from treehead.data.dataset import channel_statistics
from treehead.data.load import load
from treehead.engines.objective import Objective
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.scratch.engine import ScratchEngine
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed_targets
from treehead.recipes import recipe
from treehead.spec import build_spec
from treehead.train.schedule import learning_rates
from treehead.types import Array

STEPS, BATCH, IMAGES = 20, 128, 2560


@pytest.mark.data
@pytest.mark.slow
def test_twenty_steps_agree(cifar100_root: Path) -> None:
    """The losses of every head, to 1e-3, in float32: the first steps of 50 epochs of Adam."""
    config = recipe("cifar100")
    data = load(DataConfig(root=cifar100_root), environment={}, say=print, report=lambda done, total: None)
    pixels, labels = data.train.pixels[:IMAGES], data.train.labels[:IMAGES]
    mean, std = channel_statistics(pixels)
    spec = build_spec(config.network, input_shape=(3, 32, 32), levels=data.tree.levels, sizes=data.tree.sizes)
    objective = Objective(tuple(smoothed_targets(size, 0.1) for size in data.tree.sizes), np.array([1.0, 0.3, 0.1]))
    plan = draw_epoch_plan(config.augment, num_images=IMAGES, image_size=(32, 32), batch_size=BATCH, seed=0, epoch=1)
    rates = learning_rates(config.schedule, peak=AdamConfig().learning_rate, num_steps=50 * 50_000 // BATCH)[:STEPS]

    def losses(kind: type[ScratchEngine] | type[PyTorchEngine]) -> Array:
        engine = kind(
            spec,
            initial_weights(spec, seed=0),
            mean=mean,
            std=std,
            objective=objective,
            optimizer=AdamConfig(),
            config=EngineConfig(device="cpu", precision="float32"),
        )
        engine.load_images(pixels, labels)
        return engine.train(plan, 0, rates).losses

    ours, theirs = losses(ScratchEngine), losses(PyTorchEngine)
    assert ours[-5:].mean() < ours[:5].mean() - 0.02, "it learns"
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)
