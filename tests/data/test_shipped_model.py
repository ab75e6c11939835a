"""The model of the package on all 10,000 CIFAR-100 test images: as accurate as published, also as an ONNX file."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from publishing import REPOSITORY, RESULTS
from treehead.api import export_file
from treehead.config import changed
from treehead.data import cifar100
from treehead.data.dataset import Images
from treehead.inference.classifier import classifier_of, open_model
from treehead.inference.prediction import Prediction
from treehead.system import usable_cores

pytestmark = [pytest.mark.data, pytest.mark.slow]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """The test images, and what the PyTorch engine answers in float32."""

    test: Images
    prediction: Prediction


@pytest.fixture(scope="module")
def predicted(cifar100_root: Path) -> Predicted:
    model = open_model("cifar100")
    exact = dataclasses.replace(model, config=changed(model.config, {"engine.precision": "float32"}))
    test = cifar100.read(cifar100_root, model.tree).test
    assert len(test) == 10_000
    return Predicted(test, classifier_of(exact).predict(test.pixels))


def test_the_shipped_model_gives_its_metrics(predicted: Predicted) -> None:
    """With 16-bit kernels, in float32 on a CPU: as metrics.json beside it says."""
    folders = (REPOSITORY / "src" / "treehead" / "models" / "cifar100", RESULTS / "cifar100")
    metrics, published = (json.loads((folder / "metrics.json").read_text()) for folder in folders)
    for column, level in enumerate(predicted.prediction.tree.levels):
        accuracy = float((predicted.prediction.answers[:, column] == predicted.test.labels[:, column]).mean())
        assert accuracy == pytest.approx(metrics["accuracy"][level], abs=0.002), level
        assert accuracy == pytest.approx(published["accuracy"][level], abs=0.003), level


def test_onnx_runtime_agrees_on_every_test_image(predicted: Predicted, tmp_path: Path) -> None:
    """Probabilities agree to 1e-4, float32 against float32; answers agree unless the two best are nearly tied."""
    import onnxruntime

    expected, pixels = predicted.prediction, predicted.test.pixels
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(export_file("cifar100", kind="onnx", out=tmp_path / "model.onnx"), options)
    names = [f"probabilities_{level}" for level in expected.tree.levels]
    parts = [session.run([*names, "path"], {"images": pixels[at : at + 100]}) for at in range(0, 10_000, 100)]
    *nodes, paths = (np.concatenate(output) for output in zip(*parts, strict=True))
    for level, ours, theirs in zip(expected.tree.levels, expected.probabilities, nodes, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4, err_msg=level)
    scores = np.sort(expected.leaf_scores, axis=1)
    clear = scores[:, -1] - scores[:, -2] > 1e-3
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(paths[clear], expected.answers[clear])
