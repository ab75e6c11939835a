"""Read a run folder with NumPy alone: which mistakes are made most often, and how far up the tree they reach.

    python examples/read_a_run.py [RUN]

Without RUN it reads the published CIFAR-100 run. The same files are what `treehead report` draws.
"""

import json
import sys
from pathlib import Path

import numpy as np

PUBLISHED = Path(__file__).parents[1] / "docs" / "results" / "cifar100"


def main(run: Path = PUBLISHED) -> None:
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    tree = json.loads((run / "tree.json").read_text(encoding="utf-8"))
    with np.load(run / "predictions.npz") as arrays:  # (N, levels) each, class ids, leaves first
        labels, answers = arrays["labels"].astype(int), arrays["answers"].astype(int)

    print(f"{len(labels):,} test images")
    for level, right in zip(tree["levels"], (labels == answers).mean(axis=0), strict=True):
        assert np.isclose(right, metrics["accuracy"][level]), "the arrays and the figures are of one run"
        print(f"  {level:<12} {100 * right:5.2f} % right")

    leaves = tree["names"][0]
    wrong = np.flatnonzero(labels[:, 0] != answers[:, 0])
    pairs, counts = np.unique(np.stack([labels[wrong, 0], answers[wrong, 0]], axis=1), axis=0, return_counts=True)
    print("most frequent mistakes")
    for place in np.argsort(-counts, kind="stable")[:5]:
        true, answer = pairs[place]
        meeting = shared_class(tree, true, answer)
        print(f"  {counts[place]:>3} x {leaves[true]} taken for {leaves[answer]}: {meeting}")


def shared_class(tree: dict, one: int, other: int) -> str:
    """The lowest class that has both leaves below it, in words."""
    for level, parents in enumerate(tree["parents"], start=1):
        one, other = parents[one], parents[other]
        if one == other:
            return f"both are {tree['names'][level][one]}"
    return "they share nothing below the root"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
