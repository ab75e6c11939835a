"""Time per step with and without recording: steps replayed as one CUDA graph, or launched kernel by kernel.

    python benchmarks/recording.py [--steps 96] [--rounds 3]

Steps of every kind that `cifar100` and `cifar100-fast` take, on random images. Rounds alternate; times are medians. On
the CPU nothing is recorded, so both are the same.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from throughput import NUM_IMAGES, build

from treehead.data.augment import EpochPlan, draw_epoch_plan
from treehead.engines.pytorch.trainer import PyTorchTrainer
from treehead.recipes import recipe

WEIGHTS = np.array([1.0, 0.3, 0.1])  # of the levels' losses
AT_ONCE = 48  # steps asked of the engine in one call, about what the loop asks of a fast device


def milliseconds(trainer: PyTorchTrainer, plan: EpochPlan, steps: int, radius: float, *, recorded: bool) -> float:
    """Time per step, after a warm-up."""
    recorder = trainer._recorder
    trainer._recorder = recorder if recorded else None
    trainer.train(plan, 0, np.full(8, 1e-4), WEIGHTS, sam_radius=radius)
    started = time.perf_counter()
    for first in range(0, steps, AT_ONCE):
        trainer.train(plan, first, np.full(min(AT_ONCE, steps - first), 1e-4), WEIGHTS, sam_radius=radius)
    seconds = time.perf_counter() - started
    trainer._recorder = recorder
    return 1000 * seconds / steps


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=96)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    config = recipe("cifar100-fast")
    trainer = build(config)
    engine = trainer.engine
    name = torch.cuda.get_device_name() if engine.device == "cuda" else engine.device
    print(f"{name}, {engine.precision}, torch {torch.__version__}, batch {config.train.batch_size}; ms a step")
    for epoch, radius in ((1, 0.0), (20, 0.0), (40, 0.0), (40, config.sam.radius)):
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
            [milliseconds(trainer, plan, asked.steps, radius, recorded=recorded) for recorded in (False, True)]
            for _ in range(asked.rounds)
        ]
        plain, recorded = (statistics.median(times) for times in zip(*rounds, strict=True))
        kind = f"{plan.size_px or 32} pixels{', SAM' if radius else ''}"
        print(f"{kind:28s} plain {plain:8.2f}   recorded {recorded:8.2f}   {plain / recorded:5.2f} times", flush=True)


if __name__ == "__main__":
    main()
