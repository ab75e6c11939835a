"""Read a run folder with NumPy alone: list the most frequent mistakes, and the lowest common ancestor of each.

    python examples/read_a_run.py [RUN]

Without RUN it reads the published CIFAR-100 run. `treehead report` reads the same files.
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
        assert np.isclose(right, metrics["accuracy"][level]), "predictions.npz and metrics.json differ"
        print(f"  {level:<12} {100 * right:5.2f} % accuracy")

    leaves = tree["names"][0]
    wrong = np.flatnonzero(labels[:, 0] != answers[:, 0])
    pairs, counts = np.unique(np.stack([labels[wrong, 0], answers[wrong, 0]], axis=1), axis=0, return_counts=True)
    print("most frequent mistakes")
    for place in np.argsort(-counts, kind="stable")[:5]:
        true, answer = pairs[place]
        ancestor = common_ancestor(tree, true, answer)
        print(f"  {counts[place]:>3} x {leaves[true]} predicted as {leaves[answer]}: {ancestor}")


def common_ancestor(tree: dict, first: int, second: int) -> str:
    """The lowest class above two leaves, as text."""
    for level, parents in enumerate(tree["parents"], start=1):
        first, second = parents[first], parents[second]
        if first == second:
            return f"both are {tree['names'][level][first]}"
    return "no common class below the root"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
