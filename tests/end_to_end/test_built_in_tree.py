"""The tree of the built-in shapes against a network trained on them: what it confuses are siblings."""

from pathlib import Path

import numpy as np
import pytest

import treehead
from treehead.data.shapes import shapes, shapes_tree
from treehead.metrics.alarm import tree_test
from treehead.metrics.flat import confusion_matrix
from treehead.recipes import recipe
from treehead.runfiles import RunFolder

CHANGES = {
    "train.epochs": 4,
    "train.batch_size": 32,
    "engine.threads": 1,
    "network.stages": [{"width": 24}, {"width": 32}, {"width": 48}],
}


class Silent:
    def on_progress(self, progress: object) -> None: ...
    def on_epoch_end(self, record: object) -> None: ...


@pytest.mark.slow
def test_the_mistakes_are_much_less_severe_than_on_random_trees(tmp_path: Path) -> None:
    """And the run has no warning, although the network has learned enough for one."""
    data = shapes(train_per_leaf=150, test_per_leaf=40)
    run = treehead.train(treehead.changed(recipe("shapes"), CHANGES), tmp_path, dataset=data, callback=Silent())
    folder = RunFolder(tmp_path)
    answers = folder.read_arrays(folder.predictions)["answers"][:, 0].astype(np.int64)
    confusion = confusion_matrix(data.test.labels[:, 0], answers, num_classes=24)
    assert np.trace(confusion) > 0.3 * confusion.sum()
    found = tree_test(shapes_tree(), confusion)
    assert found is not None
    assert found.severity < 0.75 * found.random_mean
    assert run.metrics["alarm"] is None
