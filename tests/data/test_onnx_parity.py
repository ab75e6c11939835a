"""The exported model of the package agrees with the PyTorch engine on all 10,000 CIFAR-100 test images."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from treehead.api import export_file
from treehead.config import changed
from treehead.data import cifar100
from treehead.inference.classifier import classifier_of, open_model

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_onnx_runtime_agrees_on_every_test_image(cifar100_root: Path, tmp_path: Path) -> None:
    """Probabilities agree to 1e-4, float32 against float32; answers agree unless the two best are nearly tied."""
    import onnxruntime

    model = open_model("cifar100")
    exact = dataclasses.replace(model, config=changed(model.config, {"engine.precision": "float32"}))
    pixels = cifar100.read(cifar100_root, model.tree).test.pixels
    assert len(pixels) == 10_000
    expected = classifier_of(exact).predict(pixels)
    session = onnxruntime.InferenceSession(export_file("cifar100", kind="onnx", out=tmp_path / "model.onnx"))
    names = [f"probabilities_{level}" for level in model.tree.levels]
    parts = [session.run([*names, "path"], {"images": pixels[at : at + 1000]}) for at in range(0, 10_000, 1000)]
    *nodes, paths = (np.concatenate(output) for output in zip(*parts, strict=True))
    for level, ours, theirs in zip(model.tree.levels, expected.probabilities, nodes, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4, err_msg=level)
    scores = np.sort(expected.leaf_scores, axis=1)
    clear = scores[:, -1] - scores[:, -2] > 1e-3
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(paths[clear], expected.answers[clear])
