"""Exported files give the predictions of the run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import treehead
from treehead.api import export_file
from treehead.config import RunConfig, changed
from treehead.data.image_file import read_image
from treehead.decode import DECODERS
from treehead.engines.weights import initial_weights
from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import classifier_of
from treehead.inference.exported import Kind, export_model
from treehead.inference.model import Model
from treehead.posterior.held_out import Calibration
from treehead.serve.drawings import DRAWINGS
from treehead.spec import Layer, Residual, build_spec
from treehead.types import Array, UserError, Weights

TREE = LabelTree.from_nested(
    "zoo ü",
    ("fine", "kind", "group"),
    {"animal": {"bird": ["owl"], "fish": ["carp", "eel"]}, "plant": {"tree": ["oak"]}},
)
FLOAT32 = {"engine.device": "cpu", "engine.precision": "float32"}
CALIBRATION = Calibration((1.5, 0.7, 0.2), 600, "600 images", "crm", (0.5,) * 500, (0.25,) * 500)
SETTINGS: dict[str, dict[str, object]] = {
    "pool": {"network.stages": [{"width": 4, "residuals": 0}]},
    "stride, residuals": {"network.stages": [{"width": 4, "shrink": "stride", "residuals": 2, "middle": 3}]},
    "leaky, hidden, dropout": {
        "network.stages": [{"width": 4, "shrink": "none"}, {"width": 6}],
        "network.activation": {"kind": "leaky_relu", "slope": 0.2},
        "network.hidden": [5],
        "network.dropout": 0.5,
    },
    "whitened, silu, even kernel, mean and maximum": {
        "network.whitening_px": 2,
        "network.stages": [{"width": 4, "residual_kernels": [1, 3]}, {"width": 5, "kernel_size": 2, "residuals": 0}],
        "network.activation": {"kind": "silu"},
        "network.pool": "mean_max",
    },
}


def model_of(settings: dict[str, object], *, shape: tuple[int, int, int] = (3, 9, 7)) -> Model:
    """An untrained network with non-trivial statistics in its norms."""
    config = changed(RunConfig(), {"engine.precision": "float32", **settings})
    spec = build_spec(config.network, input_shape=shape, levels=TREE.levels, sizes=TREE.sizes)
    rng = np.random.default_rng(0)
    weights: Weights = {
        name: value + rng.uniform(0.1, 0.5, value.shape).astype(np.float32) if value.ndim == 1 else value
        for name, value in initial_weights(spec, seed=0).items()
    }
    mean, std = rng.uniform(0.3, 0.6, (2, shape[0])).astype(np.float32)
    return Model(config, TREE, spec, weights, mean, std, CALIBRATION)


def pixels_of(model: Model, number: int = 7) -> Array:
    """Noise around one colour per image, so that the answers differ."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 200, (number, model.spec.input_shape[0], 1, 1))
    return (colours + rng.integers(0, 56, (number, *model.spec.input_shape))).astype(np.uint8)


def exported(model: Model, folder: Path, kind: Kind, **choices: Any) -> Path:
    path = folder / f"model.{kind}"
    export_model(model, path, kind=kind, metrics={"accuracy": {"fine": 0.5}, "confusion": [[1]]}, **choices)
    return path


def kinds(layers: tuple[tuple[str, Layer], ...]) -> set[str]:
    found = {type(layer).__name__ for _, layer in layers}
    return found.union(*(kinds(layer.body) for _, layer in layers if isinstance(layer, Residual)))


def test_the_settings_use_every_kind_of_layer() -> None:
    specs = [model_of(settings).spec for settings in SETTINGS.values()]
    assert set().union(*(kinds(spec.trunk + spec.heads) for spec in specs)) == {
        kind.__name__ for kind in Layer.__args__
    }


@pytest.mark.parametrize("setting", SETTINGS)
def test_onnx_gives_the_probabilities_of_the_engine(setting: str, tmp_path: Path) -> None:
    model = model_of(SETTINGS[setting])
    pixels = pixels_of(model)
    expected = classifier_of(model).predict(pixels)
    found = treehead.load(exported(model, tmp_path, "onnx")).predict(pixels)
    for ours, theirs in zip(expected.probabilities, found.probabilities, strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)  # float32 against float32
        assert np.ptp(ours, axis=0).max() > 1e-3, "all images have the same probabilities, so the test is empty"
    np.testing.assert_array_equal(found.answers, expected.answers)


@pytest.mark.parametrize("setting", SETTINGS)
def test_safetensors_gives_identical_probabilities(setting: str, tmp_path: Path) -> None:
    model = model_of(SETTINGS[setting])
    pixels = pixels_of(model)
    expected = classifier_of(model).predict(pixels)
    found = treehead.load(exported(model, tmp_path, "safetensors")).predict(pixels)
    for ours, theirs in zip(expected.probabilities, found.probabilities, strict=True):
        np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("kind", DECODERS)
def test_every_decoder_answers_inside_the_graph(kind: str, tmp_path: Path) -> None:
    model = model_of(SETTINGS["pool"] | {"decode": kind})
    pixels = pixels_of(model, 200)
    expected = classifier_of(model).predict(pixels)
    session: Any = onnxruntime.InferenceSession(exported(model, tmp_path, "onnx"))
    *outputs, path = session.run(None, {"images": pixels})
    assert [output.name for output in session.get_outputs()] == [
        *(f"{kind}_{level}" for kind in ("logits", "probabilities") for level in TREE.levels),
        "path",
    ]
    for ours, theirs in zip(expected.probabilities, outputs[len(TREE.levels) :], strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
    assert len(np.unique(path, axis=0)) > 1
    np.testing.assert_array_equal(path, expected.answers)


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_an_exported_file_keeps_the_calibration(kind: Kind, tmp_path: Path) -> None:
    model = model_of(SETTINGS["pool"])
    classifier = treehead.load(exported(model, tmp_path, kind))
    assert classifier.calibration == CALIBRATION
    pixels = pixels_of(model)
    ours, theirs = (one.predict(pixels).within_error(0.05) for one in (classifier_of(model), classifier))
    assert [answer and answer.name for answer in ours] == [answer and answer.name for answer in theirs]


def test_the_answers_come_from_the_graph_alone(tmp_path: Path) -> None:
    """In another process, with ONNX Runtime and NumPy alone."""
    model = model_of(SETTINGS["pool"])
    pixels = pixels_of(model, 40)
    np.save(tmp_path / "pixels.npy", pixels)
    code = f"""
import json, sys, numpy, onnxruntime
session = onnxruntime.InferenceSession({str(exported(model, tmp_path, "onnx"))!r})
*levels, path = session.run(None, {{"images": numpy.load({str(tmp_path / "pixels.npy")!r})}})
about = session.get_modelmeta().custom_metadata_map
assert not {{"torch", "treehead"}} & set(sys.modules)
entries = {{key: json.loads(about[key]) for key in ("classes", "metrics")}}
print(json.dumps(entries | {{"path": path.tolist(), "sums": levels[3].sum(axis=1).tolist()}}))
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(output.stdout)
    expected = classifier_of(model).predict(pixels).answers
    assert len(np.unique(expected[:, 0])) > 1
    np.testing.assert_array_equal(found["path"], expected)
    assert found["classes"]["kind"] == ["bird", "fish", "tree"]
    assert found["metrics"] == {"accuracy": {"fine": 0.5}}  # without the confusion matrices
    np.testing.assert_allclose(found["sums"], 1, atol=1e-6)


def test_loading_onnx_imports_no_torch(tmp_path: Path) -> None:
    path = exported(model_of({}, shape=(3, 8, 8)), tmp_path, "onnx")
    code = f"""
import sys, numpy, treehead
prediction = treehead.load({str(path)!r}).predict(numpy.zeros((2, 3, 8, 8), numpy.uint8))
assert len(prediction.names()) == 2
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_exported_files_do_not_contain_local_paths(tmp_path: Path) -> None:
    places = {"data.root": "/home/somebody/photos", "data.cache": "/home/somebody/cache"}
    model = model_of({**places, **SETTINGS["pool"]})
    for kind in ("onnx", "safetensors"):
        assert b"somebody" not in exported(model, tmp_path, kind).read_bytes()


def test_a_safetensors_file_is_exported_to_onnx(tmp_path: Path) -> None:
    model = model_of(SETTINGS["pool"])
    first = exported(model, tmp_path, "safetensors")
    second = export_file(first, kind="onnx", out=tmp_path / "again.onnx")
    pixels = pixels_of(model)
    ours, theirs = (treehead.load(path).predict(pixels).probabilities[0] for path in (first, second))
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_an_existing_file_is_kept_unless_replaced(tmp_path: Path) -> None:
    model = model_of(SETTINGS["pool"])
    path = tmp_path / "model.safetensors"
    path.write_text("mine")
    with pytest.raises(UserError, match="already exists; --force overwrites it"):
        exported(model, tmp_path, "safetensors")
    assert path.read_text() == "mine"
    assert treehead.load(exported(model, tmp_path, "safetensors", replace=True)).tree == TREE


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(SETTINGS["pool"])
    path = exported(model, tmp_path, "onnx")
    monkeypatch.setattr("treehead.extras.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"exporting to ONNX needs onnx: pip install 'treehead\[onnx\]'"):
        exported(model, tmp_path, "onnx", replace=True)
    with pytest.raises(UserError, match=r"needs onnxruntime, onnx: pip install 'treehead\[onnx\]'"):
        treehead.load(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.onnx", None, "there is no model at"),
        ("a.onnx", b"not a model", "is not a valid ONNX model"),
        ("a.safetensors", None, "there is no model at"),
        ("a.safetensors", b"not a model", "cannot read"),
    ],
)
def test_invalid_files_are_refused(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        treehead.load(tmp_path / name)


def test_other_files_and_other_versions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="was not exported by treehead"):
        treehead.load(tmp_path / "other.safetensors")
    monkeypatch.setattr("treehead.inference.exported.FORMAT", "3")
    path = exported(model_of(SETTINGS["pool"]), tmp_path, "safetensors")
    monkeypatch.undo()
    with pytest.raises(UserError, match="has export format 3, but this version of treehead reads formats 1 and 2"):
        treehead.load(path)


@pytest.mark.slow
def test_the_documented_snippet_prepares_a_picture_as_predict_does(tmp_path: Path) -> None:
    """A wide picture that its camera held upright: neither squashed nor left lying."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "export.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    export_file("cifar100", kind="onnx", out=tmp_path / "cifar100.onnx")
    wide = Image.new("RGB", (300, 128), "white")
    wide.paste(DRAWINGS["orange"]().resize((128, 128)), (86, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    wide.rotate(90, expand=True).save(tmp_path / "otter.jpg", "PNG", exif=exif)  # a JPEG decoder would shrink it first
    seen = snippet.replace("[path] =", "import sys; np.save('seen.npy', pixels)\n[path] =")
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True, cwd=tmp_path)
    prediction = treehead.load("cifar100", changes=FLOAT32).predict(tmp_path / "otter.jpg")
    expected = read_image(tmp_path / "otter.jpg", shape=(3, 32, 32))
    np.testing.assert_array_equal(np.load(tmp_path / "seen.npy")[0], expected)
    assert done.stdout.strip() == str(list(prediction.names()[0]))
