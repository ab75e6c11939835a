"""Training speed and peak memory of both engines on the same network and batch, in float32 on the CPU.

    python benchmarks/engines.py [--batch 256] [--threads 2] [--steps 4] [--rounds 5] [--optimizer adam|sgd|muon]
        [--recipe cifar100] [--pixels 32]
    NUMBA_DISABLE_JIT=1 python benchmarks/engines.py --only scratch --steps 1 --rounds 3

The network is that of the recipe, its images shrunk to --pixels. A step is the whole step: gather, crop and flip,
forward, losses, backward, optimizer. PyTorch runs twice, with images as NCHW and as channels-last; the ratio is to the
faster. Rounds alternate in one process, so that all run under the same load; figures are medians. Peak memory is that
of a separate process which takes two steps. The second command measures the scratch engine without Numba, which is
slow: alone, and for few steps.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from treehead.config import AugmentConfig, EngineConfig, NetworkConfig, Optimizer, RunConfig, ShrinkConfig, changed
from treehead.data.augment import draw_epoch_plan
from treehead.data.dataset import Images
from treehead.engines.api import Trainer
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.scratch.engine import ScratchEngine
from treehead.engines.scratch.kernels import COMPILED
from treehead.engines.weights import initial_weights
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.recipes import RECIPES, recipe
from treehead.run.losses import objective_of
from treehead.spec import build_spec
from treehead.system import peak_memory_bytes

NUM_IMAGES, SIDE = 2048, 32
WEIGHTS = np.array([1.0, 0.3, 0.1])  # of the levels' losses
NAMES = ("scratch", "pytorch nchw", "pytorch channels-last")


def build(name: str, *, network: NetworkConfig, threads: int, optimizer: Optimizer) -> Trainer:
    """The network on random images."""
    tree = cifar100_tree()
    spec = build_spec(network, input_shape=(3, 32, 32), levels=tree.levels, sizes=tree.sizes)
    kind = ScratchEngine if name == "scratch" else PyTorchEngine
    mean, std = np.full(3, 0.5), np.full(3, 0.25)
    config = EngineConfig(device="cpu", precision="float32", threads=threads)
    engine = kind(spec, initial_weights(spec, seed=0), mean=mean, std=std, config=config)
    if name == "pytorch nchw":
        assert isinstance(engine, PyTorchEngine)
        engine.network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        engine.network.trunk.register_forward_pre_hook(lambda module, inputs: (inputs[0].contiguous(),))
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(NUM_IMAGES, 3, 32, 32), dtype=np.uint8)
    images = Images(pixels, tree.label_paths(rng.integers(100, size=NUM_IMAGES)))
    return engine.trainer(objective_of(RunConfig().loss, tree), optimizer, images)


def stepper(trainer: Trainer, *, batch: int, pixels: int) -> Callable[[int], tuple[float, float]]:
    """A function that takes that many steps and returns wall and processor seconds per image."""
    augment = AugmentConfig(shrink=(ShrinkConfig(until=1, pixels=pixels),) if pixels < SIDE else ())
    plan = draw_epoch_plan(augment, num_images=NUM_IMAGES, image_size=(SIDE, SIDE), batch_size=batch, seed=0, epoch=1)

    def take(steps: int) -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time()
        for step in range(steps):
            trainer.train(plan, step % len(plan.order), np.array([1e-4]), WEIGHTS)
        images = steps * batch
        return (time.perf_counter() - wall) / images, (time.process_time() - processor) / images

    return take


def peak_memory(name: str, arguments: list[str]) -> float:
    """Bytes, of a new process."""
    command = [sys.executable, __file__, *arguments, "--alone", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--batch", type=int, default=256)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--steps", type=int, default=4)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--optimizer", choices=("adam", "sgd", "muon"), default="adam")
    arguments.add_argument("--recipe", choices=RECIPES, default="cifar100")
    arguments.add_argument("--pixels", type=int, default=SIDE)
    arguments.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="rows to measure (all of them)")
    arguments.add_argument("--alone", choices=NAMES, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    optimizer = changed(RunConfig(), {"optimizer.kind": asked.optimizer}).optimizer

    def made(name: str) -> Callable[[int], tuple[float, float]]:
        network = recipe(asked.recipe).network
        trainer = build(name, network=network, threads=asked.threads, optimizer=optimizer)
        return stepper(trainer, batch=asked.batch, pixels=asked.pixels)

    if asked.alone:
        made(asked.alone)(2)
        print(peak_memory_bytes())
        return
    # first: a child inherits its parent's peak
    memory = {name: peak_memory(name, sys.argv[1:]) / 1e9 for name in asked.only}
    takers = {name: made(name) for name in asked.only}
    for take in takers.values():
        take(2)  # the first steps compile and allocate
    taken = {name: [] for name in asked.only}
    for _ in range(asked.rounds):
        for name, take in takers.items():
            taken[name].append(take(asked.steps))
    hand = "compiled by Numba" if COMPILED else "plain NumPy"
    shown = f"{asked.recipe} at {asked.pixels} pixels"
    print(f"float32, {shown}, batch {asked.batch}, {asked.threads} threads, {asked.optimizer}")
    print(f"scratch: {hand}; torch {torch.__version__}")
    print(f"{'':<22} images/s   (slowest to fastest)   processor ms/image   peak memory")
    speed = {}
    for name, pairs in taken.items():
        walls = sorted(1 / wall for wall, _ in pairs)
        speed[name] = statistics.median(walls)
        processor = 1000 * statistics.median(busy for _, busy in pairs)
        spread = f"({walls[0]:.1f} to {walls[-1]:.1f})"
        print(f"{name:<22} {speed[name]:8.1f}   {spread:<22}{processor:18.2f}{memory[name]:11.2f} GB")
    theirs = [value for name, value in speed.items() if name != "scratch"]
    if theirs and "scratch" in speed:
        print(f"ratio                  {speed['scratch'] / max(theirs):8.2f}")


if __name__ == "__main__":
    main()
