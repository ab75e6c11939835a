"""Predict folders of images to files and standard output: the command, and a classifier with known answers."""

import csv
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import command
from PIL import Image

from treehead import cli
from treehead.config import RunConfig, changed
from treehead.engines.weights import initial_weights
from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import Classifier
from treehead.inference.exported import export_model
from treehead.inference.files import predict_files
from treehead.inference.model import Model
from treehead.inference.output import PredictOptions, columns, objects, printable
from treehead.inference.prediction import Prediction
from treehead.inference.writers import file_writer
from treehead.posterior.held_out import Calibration, uncalibrated
from treehead.spec import build_spec
from treehead.types import Array, UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp", "eel"]})
EVERYTHING = PredictOptions(top=2, nodes=True, confidence=0.5, coverage=0.9)
CALIBRATION = Calibration((1.0, 0.0), 600, "600 images", "path", tuple([None] * 99 + [0.5] * 401), (0.2,) * 500)


def by_redness(pixels: Array) -> list[Array]:
    """Red images are a cat with high confidence, others a carp with low confidence."""
    red = pixels[:, 0].mean(axis=(1, 2))[:, None] > 100
    return [np.log(np.where(red, [0.9, 0.05, 0.03, 0.02], [0.1, 0.35, 0.4, 0.15])), np.zeros((len(red), 2))]


CLASSIFIER = Classifier(PETS, (3, 4, 4), "path", CALIBRATION, by_redness)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A cat, a carp and a broken file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (9, 9), "blue").save(folder / 'b, "ü".png')
    Image.new("RGB", (9, 9), "red").save(folder / "a.jpg")
    (folder / "broken.jpg").write_bytes(b"nothing")
    return folder


def predicted(
    folder: Path, out: Path, options: PredictOptions = EVERYTHING, *, replace: bool = False
) -> list[tuple[int, int]]:
    """Write predictions to a file and return the reported progress."""
    reported: list[tuple[int, int]] = []
    with file_writer(out, options, replace=replace) as write:
        outcome = predict_files(
            CLASSIFIER, [folder], options, write=write, on_progress=lambda done, total: reported.append((done, total))
        )
    assert (outcome.answered, outcome.unreadable) == (2, 1)
    assert "broken.jpg is not an image" in outcome.lines()[0]
    return reported


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


@pytest.mark.parametrize(("suffix", "read"), [("csv", read_csv), ("parquet", read_parquet)])
def test_files_have_a_row_per_image(suffix: str, read: Callable[[Path], list[Any]], photos: Path) -> None:
    out = photos.parent / f"table.{suffix}"
    assert predicted(photos, out) == [(3, 3)]
    cat, carp = read(out)
    assert list(cat) == [
        *("image", "fine", "fine_probability", "kind", "kind_probability"),
        *("answer", "answer_level", "answer_probability", "set"),
        *("path_1", "path_1_probability", "path_2", "path_2_probability"),
        *("fine:cat", "fine:dog", "fine:carp", "fine:eel", "kind:mammal", "kind:fish"),
    ]
    assert (Path(cat["image"]).name, cat["fine"], cat["kind"]) == ("a.jpg", "cat", "mammal")
    assert (cat["answer"], cat["answer_level"], float(cat["answer_probability"])) == ("cat", "fine", pytest.approx(0.9))
    assert (carp["answer"], carp["answer_level"]) == ("fish", "kind")  # 0.4 for carp, 0.55 for fish
    assert Path(carp["image"]).name == 'b, "ü".png'
    assert (carp["path_1"], carp["path_2"]) == ("carp / fish", "dog / mammal")
    assert float(carp["path_1_probability"]) == pytest.approx(0.4)
    assert (cat["set"], carp["set"]) == ("cat (fine)", "dog (fine) | carp (fine)")
    assert float(carp["kind:fish"]) == pytest.approx(0.55)


def test_json_lines_are_nested(photos: Path) -> None:
    out = photos.parent / "table.jsonl"
    predicted(photos, out)
    cat, carp = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert cat["levels"]["fine"] == {"answer": "cat", "probability": pytest.approx(0.9)}
    assert carp["confident"] == {"level": "kind", "answer": "fish", "probability": pytest.approx(0.55)}
    assert [(node["answer"], node["level"]) for node in carp["set"]] == [("dog", "fine"), ("carp", "fine")]
    assert carp["paths"][0]["path"] == ["carp", "fish"]
    assert carp["nodes"]["kind"] == {"mammal": pytest.approx(0.45), "fish": pytest.approx(0.55)}


@pytest.mark.parametrize(("suffix", "read"), [("csv", read_csv), ("parquet", read_parquet)])
def test_a_missing_answer_is_an_empty_cell(suffix: str, read: Callable[[Path], list[Any]], photos: Path) -> None:
    out = photos.parent / f"table.{suffix}"
    predicted(photos, out, PredictOptions(confidence=0.8))
    assert [row["answer"] or None for row in read(out)] == ["cat", None]
    assert [row["answer_probability"] or None for row in read(out)][1] is None


def test_a_bound_on_errors_chooses_the_threshold(photos: Path) -> None:
    out = photos.parent / "table.csv"
    predicted(photos, out, PredictOptions(max_error=0.2))
    assert [(row["answer"], row["answer_level"]) for row in read_csv(out)] == [("cat", "fine"), ("fish", "kind")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PredictOptions(max_error=0.05), "--max-error: 600 held-out images are too few for this guarantee"),
        (PredictOptions(max_error=1.5), "--max-error must be between 0 and 1"),
        (PredictOptions(coverage=0.0), "--set must be between 0 and 1"),
        (PredictOptions(max_error=0.2, confidence=0.5), "--confidence and --max-error both choose how deep"),
        (PredictOptions(coverage=0.9, under="fish"), "hold for the whole tree: use them without --under"),
    ],
)
def test_options_that_cannot_be_kept_are_refused_before_anything_is_read(
    options: PredictOptions, message: str, photos: Path
) -> None:
    with pytest.raises(UserError, match=message):
        predicted(photos, photos.parent / "table.csv", options)
    assert not (photos.parent / "table.csv").exists()


def test_parquet_is_written_in_row_groups(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    monkeypatch.setattr("treehead.inference.writers.GROUP_ROWS", 1)
    monkeypatch.setattr("treehead.data.image_batches.read_batches.__kwdefaults__", {"batch_size": 1})
    out = photos.parent / "table.parquet"
    predicted(photos, out, PredictOptions())
    assert parquet.ParquetFile(out).num_row_groups == 2


def test_under_restricts_the_answers_to_a_subtree(photos: Path) -> None:
    out = photos.parent / "table.csv"
    predicted(photos, out, PredictOptions(under="fish"))
    assert [(row["kind"], row["kind_probability"]) for row in read_csv(out)] == [("fish", "1.000000")] * 2


def test_an_interrupted_file_is_removed(photos: Path) -> None:
    out = photos.parent / "table.csv"

    def power_cut(done: int, total: int) -> None:
        assert len(list(photos.parent.iterdir())) == 2, "a temporary file is being written"
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"), file_writer(out, PredictOptions(), replace=False) as write:
        predict_files(CLASSIFIER, [photos], PredictOptions(), write=write, on_progress=power_cut)
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


def test_an_existing_file_is_kept_unless_replaced(photos: Path) -> None:
    out = photos.parent / "table.csv"
    out.write_text("mine")
    with pytest.raises(UserError, match="already exists; --force overwrites it"):
        predicted(photos, out)
    assert out.read_text() == "mine"
    predicted(photos, out, replace=True)
    assert len(read_csv(out)) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PredictOptions(top=5), "--top must be between 0 and 4 for tree 'pets', not 5"),
        (PredictOptions(confidence=80), "--confidence must be between 0 and 1, not 80"),
        (PredictOptions(confidence=math.nan), "--confidence must be between 0 and 1, not nan"),
        (PredictOptions(under="bird"), "tree 'pets' has no node 'bird'"),
    ],
)
def test_options_that_do_not_fit_the_tree_are_refused(options: PredictOptions, message: str, photos: Path) -> None:
    with pytest.raises(UserError, match=message):
        predicted(photos, photos.parent / "table.csv", options)
    assert not (photos.parent / "table.csv").exists()


def test_a_level_with_the_name_of_a_column_is_refused() -> None:
    tree = LabelTree("odd", ("image",), (("a", "b"),), ())
    half = np.array([[0.5, 0.5]])
    prediction = Prediction(tree, (half,), np.array([[0]]), half, "path", uncalibrated(1, "none"))
    with pytest.raises(UserError, match="the level name 'image' is also the name of a column"):
        columns(["x.png"], prediction, PredictOptions())
    (entry,) = objects(["x.png"], prediction, PredictOptions())
    assert (entry["image"], entry["levels"]["image"]["answer"]) == ("x.png", "a")


def test_a_path_that_is_not_unicode_is_written_with_escaped_bytes() -> None:
    assert printable(Path(os.fsdecode(b"caf\xe9.png"))) == "caf\\xe9.png"
    assert printable("漢字.png") == "漢字.png"


def test_missing_pyarrow_and_unknown_suffixes_are_refused(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"the suffix must be one of \.csv, \.jsonl, \.parquet"):
        predicted(photos, photos.parent / "table.xlsx")
    monkeypatch.setattr("treehead.extras.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs pyarrow: pip install 'treehead\[parquet\]'"):
        predicted(photos, photos.parent / "table.parquet")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network in a safetensors file."""
    config = changed(RunConfig(), {"network.stages": [{"width": 4, "residuals": 0}]})
    spec = build_spec(config.network, input_shape=(3, 8, 8), levels=PETS.levels, sizes=PETS.sizes)
    half = np.full(3, 0.5, np.float32)
    untrained = Model(config, PETS, spec, initial_weights(spec, seed=0), half, half, uncalibrated(2, "none"))
    path = tmp_path_factory.mktemp("model") / "pets.safetensors"
    export_model(untrained, path, kind="safetensors", metrics={})
    return path


def test_the_command_predicts_a_folder_and_lists_unreadable_files(model: Path, photos: Path) -> None:
    result = command("predict", str(model), "photos", "--out", "p.csv", "--confidence", "0.3", folder=photos.parent)
    assert result.returncode == 1
    assert result.stdout == "p.csv: 2 images\n"
    assert result.stderr.splitlines() == [
        "photos/broken.jpg is not an image in any format Pillow reads",
        "treehead: 1 of 3 files could not be read",
    ]
    assert len(read_csv(photos.parent / "p.csv")) == 2


def test_the_command_prints_text(model: Path, photos: Path) -> None:
    result = command("predict", str(model), "photos/a.jpg", "--top", "1", "--confidence", "0", folder=photos.parent)
    assert (result.returncode, result.stderr) == (0, "")
    first, *lines = result.stdout.splitlines()
    assert first == "photos/a.jpg"
    assert [line.split()[0] for line in lines] == ["fine", "kind", "deepest", "path"]
    assert "deepest level with confidence >= 0 %: " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "there is no image at nothing"),
        (["empty"], "no file in empty has the suffix of an image format"),
        (["photos/broken.jpg"], "none of the images could be read; photos/broken.jpg is not an image"),
        (["photos", "--nodes"], "--nodes needs --json or --out"),
        (["photos", "--out", "x.csv", "--json"], "--json prints and --out writes a file"),
        ([], "no image given"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    message: str,
    model: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("empty").mkdir()
    monkeypatch.setattr("sys.argv", ["treehead", "predict", str(model), *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not Path("x.csv").exists()
