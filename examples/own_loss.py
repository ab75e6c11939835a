"""Train with a custom loss: patterned shapes answered as uniform ones are the costliest mistake.

    python examples/own_loss.py

A loss is an `Objective`: arrays with the targets of each head and the costs of its mistakes. The costs of the label
tree are symmetric; the custom costs are not. Both networks start from the same weights and see the same images in the
same order.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

import treehead

CONFIG = treehead.changed(
    treehead.recipe("shapes"), {"train.epochs": 2, "network.stages": [{"width": 16}, {"width": 32}, {"width": 48}]}
)
EXTRA_COST = 0.5
"""Cost of a uniform answer for a patterned shape, in nats, added to the cross-entropy."""


def main() -> None:
    dataset = treehead.load_dataset(CONFIG.data)
    half = dataset.train.take(np.arange(0, len(dataset.train), 2))  # enough to see the effect
    dataset = dataclasses.replace(dataset, train=half)
    plain = treehead.objective_of(CONFIG.loss, dataset.tree)
    custom = dataclasses.replace(plain, costs=custom_costs(dataset.tree), expected_severity=1.0)
    patterned = dataset.tree.names[2].index("patterned")
    true = dataset.test.labels[:, 2]
    for name, objective in {"cross-entropy": plain, "custom loss": custom}.items():
        print(name, flush=True)
        answers = trained(dataset, objective).predict(dataset.test.pixels).answers[:, 2]
        print(f"  patterned answered as uniform: {np.sum((true == patterned) & (answers != patterned))} images")
        print(f"  uniform answered as patterned: {np.sum((true != patterned) & (answers == patterned))} images")


def custom_costs(tree: treehead.LabelTree) -> tuple[np.ndarray, ...]:
    """Per level (K_l, K_l), from the leaves up: costs[y, j] of the answer j for an image of class y."""
    is_patterned = [np.array(tree.names[2]) == "patterned"]
    for parents in reversed(tree.parents):
        is_patterned.insert(0, is_patterned[0][np.array(parents)])
    return tuple(EXTRA_COST * np.outer(kind, ~kind).astype(np.float32) for kind in is_patterned)


def trained(dataset: treehead.Dataset, objective: treehead.Objective) -> treehead.Classifier:
    """A small network, trained with this objective."""
    with tempfile.TemporaryDirectory() as folder:
        run = treehead.train(CONFIG, Path(folder) / "run", dataset=dataset, objective=objective)
        return treehead.load(run.root)


if __name__ == "__main__":
    main()
