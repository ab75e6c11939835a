"""Both engines on the real CIFAR-100: the first steps of the recipe, as a run takes them."""

from pathlib import Path

import numpy as np
import pytest

from treehead.config import DataConfig, EngineConfig, RunConfig, StageConfig, changed
from treehead.data.augment import draw_epoch_plan, steps_per_epoch
from treehead.data.dataset import Dataset, channel_statistics
from treehead.data.load import load
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.scratch.engine import ScratchEngine
from treehead.engines.weights import initial_weights
from treehead.recipes import recipe
from treehead.run.losses import objective_of
from treehead.spec import build_spec
from treehead.training.schedule import learning_rates, level_weights
from treehead.types import Array

STEPS = 20


@pytest.mark.data
@pytest.mark.slow
def test_the_first_twenty_steps_agree_at_half_the_rate(cifar100_root: Path) -> None:
    """The losses of every head, to 1e-3, in float32: a recipe's optimizer, schedule, batches and objective.

    At half its peak rate: the larger the steps, the further Adam carries a rounding error. With stages of half the
    width, for a quarter of the time.
    """
    config = recipe("cifar100-fast")
    config = changed(config, {"network.stages": [half_as_wide(stage) for stage in config.network.stages]})
    data = load(DataConfig(root=cifar100_root), environment={}, log=print, on_progress=lambda done, total: None)
    num_steps = config.train.epochs * steps_per_epoch(len(data.train), config.train.batch_size)
    rates = learning_rates(config.schedule, peak=config.optimizer.learning_rate / 2, num_steps=num_steps)[:STEPS]
    ours, theirs = (losses(kind, config, data, rates) for kind in (ScratchEngine, PyTorchEngine))
    assert ours[-5:].mean() < ours[:5].mean() - 0.02, "it learns"
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


def half_as_wide(stage: StageConfig) -> dict[str, object]:
    return stage.model_dump() | {"width": stage.width // 2, "middle": stage.middle and stage.middle // 2}


def losses(kind: type[ScratchEngine] | type[PyTorchEngine], config: RunConfig, data: Dataset, rates: Array) -> Array:
    """Of every step and head, from the run's first weights on. Shapes: rates: (T,); returns (T, L)."""
    spec = build_spec(config.network, input_shape=(3, 32, 32), levels=data.tree.levels, sizes=data.tree.sizes)
    mean, std = channel_statistics(data.train.pixels)
    weights = initial_weights(spec, seed=config.seed)
    engine = kind(spec, weights, mean=mean, std=std, config=EngineConfig(device="cpu", precision="float32"))
    trainer = engine.trainer(objective_of(config.loss, data.tree), config.optimizer, data.train)
    plan = draw_epoch_plan(
        config.augment,
        num_images=len(data.train),
        image_size=(32, 32),
        batch_size=config.train.batch_size,
        seed=config.seed,
        epoch=1,
        num_epochs=config.train.epochs,
    )
    weights_of_levels = level_weights(config.loss, num_levels=len(data.tree.levels), num_epochs=1)[0]
    return trainer.train(plan, 0, rates, weights_of_levels).losses
