"""Both engines on the same network, weights, images and plan."""

from dataclasses import dataclass

import numpy as np

from treehead.config import AdamConfig, AugmentConfig, EngineConfig, NetworkConfig, Optimizer, StageConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.data.dataset import Images
from treehead.engines.objective import Objective
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.pytorch.trainer import PyTorchTrainer
from treehead.engines.scratch.engine import ScratchEngine
from treehead.engines.scratch.trainer import ScratchTrainer
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed
from treehead.spec import NetSpec, build_spec

SIZES = (6, 3, 2)
LEVELS = ("fine", "superclass", "group")
SPEC = build_spec(
    NetworkConfig(
        stages=(StageConfig(width=8, middle=4), StageConfig(width=12, shrink="stride")), hidden=(10,), dropout=0.2
    ),
    input_shape=(3, 16, 16),
    levels=LEVELS,
    sizes=SIZES,
)
OBJECTIVE = Objective(tuple(smoothed(np.eye(size), 0.1) for size in SIZES))
WEIGHTS = np.array([1.0, 0.5, 0.25])
"""Of the levels' losses."""
SCRATCH = EngineConfig(kind="scratch", device="cpu", precision="float32", threads=2)
PYTORCH = EngineConfig(device="cpu", precision="float32", threads=1)
"""Two threads are torch's own matter, and on one core, which a worker has, they wait for each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """The trainers of the two engines, in the same state."""

    scratch: ScratchTrainer
    pytorch: PyTorchTrainer


def both_engines(
    optimizer: Optimizer | None = None,
    *,
    spec: NetSpec = SPEC,
    objective: Objective = OBJECTIVE,
    labelled: Images | None = None,
) -> Both:
    """Trainers of the same initial weights on the same images, by default 40 random ones."""
    weights, choice, shown = initial_weights(spec, seed=1), optimizer or AdamConfig(), labelled or images()
    mean, std = np.array([0.5, 0.45, 0.4]), np.array([0.25, 0.2, 0.3])
    scratch = ScratchEngine(spec, weights, mean=mean, std=std, config=SCRATCH)
    pytorch = PyTorchEngine(spec, weights, mean=mean, std=std, config=PYTORCH)
    return Both(scratch.trainer(objective, choice, shown), pytorch.trainer(objective, choice, shown))


def images(num: int = 40) -> Images:
    rng = np.random.default_rng(0)
    fine = rng.integers(6, size=num)
    pixels = rng.integers(256, size=(num, 3, 16, 16), dtype=np.uint8)
    return Images(pixels, np.stack([fine, fine // 2, fine // 4], axis=1))


def plan(augment: AugmentConfig | None = None, *, epoch: int = 1, batch_size: int = 10) -> EpochPlan:
    augment = augment or AugmentConfig(crop_px=2)
    return draw_epoch_plan(
        augment, num_images=40, image_size=(16, 16), batch_size=batch_size, seed=0, epoch=epoch, num_epochs=10
    )
