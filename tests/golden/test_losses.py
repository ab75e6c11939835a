"""Golden losses: the first 20 losses of a small run, float32, at a fixed seed.

If a change of numbers is intended, `python tests/golden/test_losses.py` updates them, and the commit says why.
"""

import json
from pathlib import Path

import numpy as np

from treehead.config import AdamConfig, EngineConfig, NetworkConfig, StageConfig
from treehead.data.augment import draw_epoch_plan
from treehead.data.dataset import channel_statistics
from treehead.data.shapes import shapes
from treehead.engines.objective import Objective
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed
from treehead.recipes import recipe
from treehead.spec import build_spec
from treehead.training.schedule import learning_rates
from treehead.types import Array

STORED = Path(__file__).parent / "losses.json"
NETWORK = NetworkConfig(stages=(StageConfig(width=8, middle=6), StageConfig(width=12)), dropout=0.1)


def first_losses() -> Array:
    """(20, 3): the loss of every head at every step."""
    data = shapes(train_per_leaf=27, test_per_leaf=1)
    mean, std = channel_statistics(data.train.pixels)
    spec = build_spec(NETWORK, input_shape=(3, 32, 32), levels=data.tree.levels, sizes=data.tree.sizes)
    config = EngineConfig(device="cpu", precision="float32", threads=1)
    engine = PyTorchEngine(spec, initial_weights(spec, seed=0), mean=mean, std=std, config=config)
    objective = Objective(tuple(smoothed(np.eye(size), 0.1) for size in data.tree.sizes))
    trainer = engine.trainer(objective, AdamConfig(learning_rate=3e-3), data.train)
    plan = draw_epoch_plan(
        recipe("shapes").augment, num_images=648, image_size=(32, 32), batch_size=32, seed=0, epoch=1
    )
    rates = learning_rates(recipe("shapes").schedule, peak=3e-3, num_steps=20)
    return trainer.train(plan, 0, rates, np.array([1.0, 0.3, 0.1])).losses


def test_the_first_losses_are_those_stored() -> None:
    stored = np.array(json.loads(STORED.read_text()))
    np.testing.assert_allclose(first_losses(), stored, rtol=2e-3)  # float32 sums in another order on another CPU


if __name__ == "__main__":
    STORED.write_text(json.dumps(np.round(first_losses(), 6).tolist(), indent=1) + "\n")
