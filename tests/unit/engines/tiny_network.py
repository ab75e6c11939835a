"""A tiny network on 40 random images, on either engine, for the tests of this folder."""

import numpy as np

from treehead.config import AdamConfig, AugmentConfig, EngineConfig, NetworkConfig, Optimizer, StageConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.data.dataset import Images
from treehead.engines.api import Engine, Trainer
from treehead.engines.objective import Objective
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed
from treehead.inference.model import engine_kind
from treehead.spec import NetSpec, build_spec

SIZES = (6, 3, 2)
LEVELS = ("fine", "superclass", "group")
SPEC = build_spec(
    NetworkConfig(stages=(StageConfig(width=8, middle=4), StageConfig(width=12, shrink="stride")), dropout=0.2),
    input_shape=(3, 8, 8),
    levels=LEVELS,
    sizes=SIZES,
)
OBJECTIVE = Objective(tuple(smoothed(np.eye(size), 0.1) for size in SIZES))
WEIGHTS = np.array([1.0, 0.5, 0.25])
"""Of the levels' losses."""
FLOAT32 = {
    kind: EngineConfig.model_validate({"kind": kind, "device": "cpu", "precision": "float32", "threads": threads})
    for kind, threads in (("scratch", 2), ("pytorch", 1))
}
"""Two threads are torch's own matter, and on one core, which a worker has, they wait for each other."""
BATCH = 10


def images(num: int = 40) -> Images:
    """Random pixels and labels: groups of two leaves, then of two superclasses."""
    rng = np.random.default_rng(0)
    fine = rng.integers(6, size=num)
    pixels = rng.integers(256, size=(num, 3, 8, 8), dtype=np.uint8)
    return Images(pixels, np.stack([fine, fine // 2, fine // 4], axis=1))


def engine_of(config: EngineConfig, spec: NetSpec = SPEC) -> Engine:
    """The untrained network on the engine of `config`."""
    mean, std = np.full(3, 0.5), np.full(3, 0.25)
    return engine_kind(config)(spec, initial_weights(spec, seed=1), mean=mean, std=std, config=config)


def trainer_of(config: EngineConfig, optimizer: Optimizer | None = None, spec: NetSpec = SPEC) -> Trainer:
    """The untrained network with its optimizer and the images."""
    return engine_of(config, spec).trainer(OBJECTIVE, optimizer or AdamConfig(), images())


def plan(epoch: int = 1, augment: AugmentConfig | None = None) -> EpochPlan:
    """Four steps of ten images."""
    augment = augment or AugmentConfig(crop_px=2)
    return draw_epoch_plan(augment, num_images=40, image_size=(8, 8), batch_size=BATCH, seed=0, epoch=epoch)
