"""Throughput of the training loop relative to a bare loop, and its peak memory, in one process.

    python benchmarks/throughput.py [--steps 60] [--rounds 5]

The bare loop is the forward pass, backward pass and optimizer step of the default recipe's network on one fixed batch.
The real epoch is that of `training.loop`: it draws its plan, gathers, crops and flips, and reports progress. Rounds
alternate, so that both run under the same load; the ratio is that of their medians.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch.nn import functional

from treehead.config import RunConfig
from treehead.data.augment import draw_epoch_plan
from treehead.data.dataset import Images
from treehead.engines.pytorch.engine import PyTorchEngine
from treehead.engines.pytorch.optim import Optimizers
from treehead.engines.pytorch.trainer import PyTorchTrainer
from treehead.engines.weights import initial_weights
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.recipes import recipe
from treehead.run.losses import objective_of
from treehead.spec import build_spec
from treehead.system import peak_memory_bytes
from treehead.training.loop import train_epoch
from treehead.training.schedule import EpochSchedule
from treehead.types import Array

NUM_IMAGES = 50_000


class Silent:
    def on_progress(self, progress: object) -> None: ...
    def on_epoch_end(self, record: object) -> None: ...


def build(config: RunConfig) -> PyTorchTrainer:
    """The default recipe's trainer, on as many random images as CIFAR-100 has to train on."""
    tree = cifar100_tree()
    spec = build_spec(config.network, input_shape=(3, 32, 32), levels=tree.levels, sizes=tree.sizes)
    mean, std = np.full(3, 0.5), np.full(3, 0.25)
    engine = PyTorchEngine(spec, initial_weights(spec, seed=0), mean=mean, std=std, config=config.engine)
    rng = np.random.default_rng(0)
    leaves = rng.integers(100, size=NUM_IMAGES)
    images = Images(rng.integers(256, size=(NUM_IMAGES, 3, 32, 32), dtype=np.uint8), tree.label_paths(leaves))
    return engine.trainer(objective_of(config.loss, tree), config.optimizer, images)


def real_epoch(trainer: PyTorchTrainer, config: RunConfig, rates: Array, epoch: int) -> float:
    """Images per second of the first steps of an epoch, its plan included."""
    started = time.perf_counter()
    plan = draw_epoch_plan(
        config.augment,
        num_images=len(rates) * config.train.batch_size,
        image_size=(32, 32),
        batch_size=config.train.batch_size,
        seed=0,
        epoch=epoch,
    )
    weights, left = np.array([1.0, 0.3, 0.1]), config.train.epochs - epoch
    train_epoch(trainer, EpochSchedule(epoch, config.train.epochs, plan, rates, weights, 0.0, left), Silent())
    return plan.order.size / (time.perf_counter() - started)


def bare_loop(engine: PyTorchEngine, config: RunConfig, steps: int) -> float:
    """Images per second of the same network on one fixed batch."""
    dtype, device = getattr(torch, engine.precision), torch.device(engine.device)
    batch = (
        torch.randn(config.train.batch_size, 3, 32, 32).to(device, dtype).contiguous(memory_format=torch.channels_last)
    )
    labels = torch.randint(8, (config.train.batch_size,), device=device)
    optimizer = Optimizers(engine.network, config.optimizer)
    engine.network.train()
    for dropout in engine.network.modules():
        if hasattr(dropout, "scale"):
            dropout.scale = torch.ones(1, device=device)  # pyright: ignore[reportAttributeAccessIssue]
    started = time.perf_counter()
    for _ in range(steps):
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = engine.network(batch)
        loss = torch.stack([functional.cross_entropy(head.float(), labels) for head in logits]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(1e-4)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return steps * config.train.batch_size / (time.perf_counter() - started)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=60)
    arguments.add_argument("--rounds", type=int, default=5)
    asked = arguments.parse_args()
    config = recipe("cifar100")
    trainer = build(config)
    engine = trainer.engine
    rates = np.full(asked.steps, 1e-4)
    real_epoch(trainer, config, rates[:5], 1)  # the first steps build kernels
    bare_loop(engine, config, 5)
    real, bare = [], []
    for number in range(asked.rounds):
        real.append(real_epoch(trainer, config, rates, number))
        bare.append(bare_loop(engine, config, asked.steps))
    threads = f"{torch.get_num_threads()} threads" if engine.device == "cpu" else torch.cuda.get_device_name()
    print(f"{engine.device} {engine.precision}, {threads}, torch {torch.__version__}, batch {config.train.batch_size}")
    print(f"bare loop    {statistics.median(bare):8.1f} images/s   ({min(bare):.1f} to {max(bare):.1f})")
    print(f"real epoch   {statistics.median(real):8.1f} images/s   ({min(real):.1f} to {max(real):.1f})")
    print(f"ratio        {statistics.median(real) / statistics.median(bare):8.3f}")
    print(f"peak memory  {peak_memory_bytes() / 1e9:8.2f} GB")


if __name__ == "__main__":
    main()
