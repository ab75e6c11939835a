"""What recording a step saves: steps replayed as one CUDA graph against the same steps launched kernel by kernel.

    python benchmarks/recording.py [--steps 96] [--rounds 3]

Steps of the default recipe on random images, in every kind that a run of it or of `cifar100-fast` takes. Rounds
alternate; times are medians. On the CPU nothing is recorded, and both are the same.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from throughput import NUM_IMAGES, build

from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.recipes import recipe

AT_ONCE = 48  # steps asked of the engine in one call, about what the loop asks of a fast device


def milliseconds(engine: PyTorchEngine, plan: EpochPlan, steps: int, radius: float, *, recorded: bool) -> float:
    """A step's time, those that warm up left out."""
    kept = engine._recorder
    engine._recorder = kept if recorded else None
    engine.train(plan, 0, np.full(8, 1e-4), radius=radius)
    started = time.perf_counter()
    for first in range(0, steps, AT_ONCE):
        engine.train(plan, first, np.full(min(AT_ONCE, steps - first), 1e-4), radius=radius)
    seconds = time.perf_counter() - started
    engine._recorder = kept
    return 1000 * seconds / steps


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=96)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    config = recipe("cifar100-fast")
    engine = build(config)
    name = torch.cuda.get_device_name() if engine.device == "cuda" else engine.device
    print(f"{name}, {engine.precision}, torch {torch.__version__}, batch {config.train.batch_size}; ms a step")
    for epoch, radius in ((1, 0.0), (20, 0.0), (40, 0.0), (40, config.sharpness.radius)):
        plan = draw_epoch_plan(
            config.augment,
            num_images=NUM_IMAGES,
            image_size=(32, 32),
            batch_size=config.train.batch_size,
            seed=0,
            epoch=epoch,
            num_epochs=config.train.epochs,
        )
        rounds = [
            [milliseconds(engine, plan, asked.steps, radius, recorded=recorded) for recorded in (False, True)]
            for _ in range(asked.rounds)
        ]
        plain, recorded = (statistics.median(times) for times in zip(*rounds, strict=True))
        kind = f"{plan.size_px or 32} pixels{', sharpness-aware' if radius else ''}"
        print(f"{kind:28s} plain {plain:8.2f}   recorded {recorded:8.2f}   {plain / recorded:5.2f} times", flush=True)


if __name__ == "__main__":
    main()
