"""Both engines on the same network, weights, images and plan."""

from dataclasses import dataclass

import numpy as np

from treehead.config import AdamConfig, AugmentConfig, EngineConfig, NetworkConfig, Optimizer, StageConfig
from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.engines.objective import Objective
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.scratch.engine import ScratchEngine
from treehead.engines.weights import initial_weights
from treehead.hierarchy.targets import smoothed
from treehead.spec import NetSpec, build_spec
from treehead.types import Array

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
OBJECTIVE = Objective(tuple(smoothed(np.eye(size), 0.1) for size in SIZES), np.array([1.0, 0.5, 0.25]))
FLOAT32 = EngineConfig(device="cpu", precision="float32", threads=2)


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """The two engines, in the same state."""

    scratch: ScratchEngine
    pytorch: PyTorchEngine


def both_engines(optimizer: Optimizer | None = None, *, spec: NetSpec = SPEC, objective: Objective = OBJECTIVE) -> Both:
    """Engines that hold the same first weights and the same 40 random images."""
    pixels, labels = images()

    def made(kind: type[ScratchEngine] | type[PyTorchEngine]) -> ScratchEngine | PyTorchEngine:
        engine = kind(
            spec,
            initial_weights(spec, seed=1),
            mean=np.array([0.5, 0.45, 0.4]),
            std=np.array([0.25, 0.2, 0.3]),
            objective=objective,
            optimizer=optimizer or AdamConfig(),
            config=FLOAT32,
        )
        engine.load_images(pixels, labels)
        return engine

    scratch, pytorch = made(ScratchEngine), made(PyTorchEngine)
    assert isinstance(scratch, ScratchEngine)
    assert isinstance(pytorch, PyTorchEngine)
    return Both(scratch, pytorch)


def images(num: int = 40) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    fine = rng.integers(6, size=num)
    return rng.integers(256, size=(num, 3, 16, 16), dtype=np.uint8), np.stack([fine, fine // 2, fine // 4], axis=1)


def plan(augment: AugmentConfig | None = None, *, epoch: int = 1, batch_size: int = 10) -> EpochPlan:
    augment = augment or AugmentConfig(crop_px=2)
    return draw_epoch_plan(
        augment, num_images=40, image_size=(16, 16), batch_size=batch_size, seed=0, epoch=epoch, num_epochs=10
    )
