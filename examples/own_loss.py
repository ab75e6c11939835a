"""Train with a loss of your own: taking something round for something angular shall be the mistake to avoid.

    python examples/own_loss.py

A loss is an `Objective`: arrays that say what each head aims at and what its mistakes cost. The tree's own costs are
symmetric; ours are not. Both networks start from the same weights and see the same images in the same order.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

import treehead
from treehead.data.dataset import Dataset, channel_statistics, split
from treehead.data.shapes import shapes
from treehead.engines.objective import Objective
from treehead.engines.weights import initial_weights
from treehead.hierarchy.tree import LabelTree
from treehead.inference.model import Model, build_engine
from treehead.progress import PlainCallback
from treehead.run.losses import objective_of
from treehead.run.runner import spec_of
from treehead.runfiles import RunFolder
from treehead.train.loop import fit
from treehead.train.schedule import learning_rates
from treehead.types import Array

CONFIG = treehead.changed(
    treehead.recipe("shapes"), {"train.epochs": 4, "network.stages": [{"width": 16}, {"width": 32}, {"width": 48}]}
)
EXTRA_COST = 0.5
"""In nats, what an angular answer to a round thing costs beside the cross-entropy."""


def main() -> None:
    dataset = shapes(train_per_leaf=100, test_per_leaf=50)
    plain = objective_of(CONFIG.loss, dataset.tree)
    own = dataclasses.replace(plain, costs=own_costs(dataset.tree), expected_severity=1.0)
    for name, objective in {"cross-entropy": plain, "our own": own}.items():
        print(name, flush=True)
        answers = trained(dataset, objective)
        true = dataset.test.labels[:, 2]
        round_ = dataset.tree.names[2].index("round")
        print(f"  round taken for angular: {np.sum((true == round_) & (answers != round_))} images")
        print(f"  angular taken for round: {np.sum((true != round_) & (answers == round_))} images")


def own_costs(tree: LabelTree) -> tuple[Array, ...]:
    """Per level (K_l, K_l): costs[y, j] of answering j where y is true, at every level from the leaves up."""
    is_round = [np.array(tree.names[2]) == "round"]
    for parents in reversed(tree.parents):
        is_round.insert(0, is_round[0][np.array(parents)])
    return tuple(EXTRA_COST * np.outer(kind, ~kind).astype(np.float32) for kind in is_round)


def trained(dataset: Dataset, objective: Objective) -> Array:
    """Train a small network; (N,) its answers to the test images at the level of the groups."""
    splits = split(dataset, "official")
    spec = spec_of(CONFIG, dataset)
    mean, std = channel_statistics(splits.train.pixels)
    levels = dataset.tree.levels
    model = Model(CONFIG, dataset.tree, spec, initial_weights(spec, seed=0), mean, std, (1.0,) * len(levels))
    engine = build_engine(model, objective=objective)
    num_steps = CONFIG.train.epochs * (len(splits.train) // CONFIG.train.batch_size)
    with tempfile.TemporaryDirectory() as place:  # the loop keeps a checkpoint and the history
        fit(
            engine,
            splits,
            levels=levels,
            objective=objective,
            rates=learning_rates(CONFIG.schedule, peak=CONFIG.optimizer.learning_rate, num_steps=num_steps),
            level_weights=np.ones((CONFIG.train.epochs, len(levels))),
            train=CONFIG.train,
            augment=CONFIG.augment,
            seed=0,
            folder=RunFolder(Path(place)),
            callback=PlainCallback(),
        )
    return engine.predict(splits.test.pixels)[2].argmax(axis=1)


if __name__ == "__main__":
    main()
