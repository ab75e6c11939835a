"""Both engines on the same network and batch, in float32 on the CPU: who trains faster, in how much memory.

    python benchmarks/engines.py [--batch 256] [--threads 2] [--steps 4] [--rounds 5] [--optimizer adam|sgd|muon]
    NUMBA_DISABLE_JIT=1 python benchmarks/engines.py --only scratch --steps 1 --rounds 3

A step is all of it: gather, crop and flip, forward, losses, backward, optimizer. PyTorch runs twice, with images as
NCHW and as channels-last, and counts with the faster. Rounds alternate in one process, so that all see the same
machine; figures are medians. Peak memory is that of a process of its own which takes two steps. The second line takes
the scratch engine without Numba, which is slow: alone, and for few steps.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from treehead.config import AugmentConfig, EngineConfig, Optimizer, RunConfig, changed
from treehead.data.augment import draw_epoch_plan
from treehead.engines.objective import Objective
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.scratch.engine import ScratchEngine
from treehead.engines.scratch.twins import COMPILED
from treehead.engines.weights import initial_weights
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.hierarchy.targets import smoothed
from treehead.spec import build_spec
from treehead.system import peak_memory_bytes

NUM_IMAGES = 2048
NAMES = ("scratch", "pytorch nchw", "pytorch channels-last")


def build(name: str, *, threads: int, optimizer: Optimizer) -> ScratchEngine | PyTorchEngine:
    """The default network with random images."""
    tree = cifar100_tree()
    spec = build_spec(RunConfig().network, input_shape=(3, 32, 32), levels=tree.levels, sizes=tree.sizes)
    kind = ScratchEngine if name == "scratch" else PyTorchEngine
    engine = kind(
        spec,
        initial_weights(spec, seed=0),
        mean=np.full(3, 0.5),
        std=np.full(3, 0.25),
        objective=Objective(tuple(smoothed(np.eye(size), 0.1) for size in tree.sizes), np.array([1.0, 0.3, 0.1])),
        optimizer=optimizer,
        config=EngineConfig(device="cpu", precision="float32", threads=threads),
    )
    if name == "pytorch nchw":
        assert isinstance(engine, PyTorchEngine)
        engine.network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        engine.network.trunk.register_forward_pre_hook(lambda module, inputs: (inputs[0].contiguous(),))
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(NUM_IMAGES, 3, 32, 32), dtype=np.uint8)
    engine.load_images(pixels, tree.label_paths(rng.integers(100, size=NUM_IMAGES)))
    return engine


def stepper(engine: ScratchEngine | PyTorchEngine, *, batch: int) -> Callable[[int], tuple[float, float]]:
    """Takes that many steps; gives wall and processor seconds of one image."""
    plan = draw_epoch_plan(
        AugmentConfig(), num_images=NUM_IMAGES, image_size=(32, 32), batch_size=batch, seed=0, epoch=1
    )

    def take(steps: int) -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time()
        for step in range(steps):
            engine.train(plan, step % len(plan.order), np.array([1e-4]))
        images = steps * batch
        return (time.perf_counter() - wall) / images, (time.process_time() - processor) / images

    return take


def peak_memory(name: str, words: list[str]) -> float:
    """Bytes, of a fresh process."""
    said = subprocess.run(
        [sys.executable, __file__, *words, "--alone", name], capture_output=True, text=True, check=True
    )
    return float(said.stdout)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--batch", type=int, default=256)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--steps", type=int, default=4)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--optimizer", choices=("adam", "sgd", "muon"), default="adam")
    arguments.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="rows to measure (all of them)")
    arguments.add_argument("--alone", choices=NAMES, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    optimizer = changed(RunConfig(), {"optimizer.kind": asked.optimizer}).optimizer

    def made(name: str) -> Callable[[int], tuple[float, float]]:
        return stepper(build(name, threads=asked.threads, optimizer=optimizer), batch=asked.batch)

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
    print(f"float32, batch {asked.batch}, {asked.threads} threads, {asked.optimizer}")
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
