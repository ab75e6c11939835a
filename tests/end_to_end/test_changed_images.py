"""A run and its images that change behind its back: classes renamed, images moved, sorted, lost, added."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import command_line
import numpy as np
import pytest
from command_line import Finished
from PIL import Image

import treehead
from treehead.api import load_dataset
from treehead.recipes import config_of
from treehead.types import UserError

pytestmark = pytest.mark.slow

COLOURS = {"ant": (220, 30, 30), "bee": (30, 200, 40), "cow": (30, 40, 220), "dog": (220, 220, 40)}
QUICK = [
    *("data.image_px=32", "train.epochs=4", "train.batch_size=16", "network.grow=false", "engine.kind=scratch"),
    *("network.stages=[{width=8,residuals=0}]", "output.images=false", "optimizer.learning_rate=0.02"),
]


def command(*arguments: str, folder: Path) -> Finished:
    return command_line.command(*arguments, folder=folder, XDG_CACHE_HOME=str(folder.parent / "cache"))


def fill(folder: Path, name: str, count: int = 12, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        noise = np.random.default_rng([i, *COLOURS[name]]).normal(0, 20, (36, 36, 3))
        pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


class Stop:
    """Interrupts a training after its second epoch."""

    def on_progress(self, progress: object) -> None: ...

    def on_epoch_end(self, record: dict[str, object]) -> None:
        if record["epoch"] == 2:
            raise KeyboardInterrupt


class Silent(Stop):
    def on_epoch_end(self, record: dict[str, object]) -> None: ...


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, a finished `run` and a `half` of the same config."""
    place = tmp_path_factory.mktemp("work") / "place"
    for name in ("ant", "bee", "cow"):
        fill(place / "photos" / name, name)
    result = command("train", "--data", "photos", "--out", "run", *QUICK, folder=place)
    assert result.returncode == 0, result.stderr
    config = config_of([*QUICK, f"data.cache={place / 'pack'}"], place / "photos")
    with pytest.raises(KeyboardInterrupt):
        treehead.train(config, place / "half", callback=Stop())  # pyright: ignore[reportArgumentType]
    return place


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    """A copy of it, which also has moved from where it was trained."""
    place = tmp_path / "place"
    shutil.copytree(original, place)
    for run in ("run", "half"):
        config = (place / run / "config.toml").read_text().replace(str(original), str(place))
        (place / run / "config.toml").write_text(config)
    return place


def accuracy(place: Path) -> float:
    return json.loads((place / "run" / "metrics.json").read_text())["accuracy"]["class"]


def rename(place: Path) -> None:
    (place / "photos" / "ant").rename(place / "photos" / "zebra")


def nest(place: Path) -> None:
    (place / "photos" / "animal").mkdir()
    for name in ("ant", "bee"):
        (place / "photos" / name).rename(place / "photos" / "animal" / name)


def replace(place: Path) -> None:
    for name in ("ant", "bee", "cow"):
        shutil.rmtree(place / "photos" / name)
        fill(place / "photos" / name, name, first=100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename, "of the class ant of this run are in zebra of"),
        (nest, "photos has the levels class, group, but this run was trained on class"),
        (replace, "those are other images"),
        (lambda place: shutil.rmtree(place / "photos"), "if they were moved, name the new place: data.root=PATH"),
    ],
    ids=["renamed", "nested", "replaced", "gone"],
)
@pytest.mark.parametrize("verb", ["evaluate", "resume"])
def test_what_does_not_fit_is_refused_and_changes_nothing(
    place: Path, verb: str, change: Callable[[Path], None], message: str
) -> None:
    change(place)
    run = place / ("run" if verb == "evaluate" else "half")
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    result = command(verb, str(run), folder=place)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1), result.stderr
    assert message in result.stderr
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_evaluation_tells_what_is_gone_and_new(place: Path) -> None:
    assert accuracy(place) > 0.8
    shutil.rmtree(place / "photos" / "bee")
    fill(place / "photos" / "cow", "cow", 3, first=50)
    fill(place / "photos" / "aardvark", "dog", 4)
    result = command("evaluate", "run", folder=place)
    assert result.returncode == 0, result.stderr
    assert "warning: 2 test images are no longer there and left out" in result.stderr
    assert "warning: 3 images are new since the training and left out; --new takes them" in result.stderr
    assert "warning: 4 images are in classes that the run does not have (aardvark): left out" in result.stderr
    assert accuracy(place) > 0.7
    assert "4 test images" in result.stdout
    with_new = command("evaluate", "run", "--new", folder=place)
    assert "7 test images" in with_new.stdout


@pytest.mark.parametrize("name", [("data.root=elsewhere",), ("--data", "elsewhere")])
def test_images_may_move(place: Path, name: tuple[str, ...]) -> None:
    (place / "photos").rename(place / "elsewhere")
    before = json.loads((place / "run" / "metrics.json").read_text())
    result = command("evaluate", "run", *name, folder=place)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads((place / "run" / "metrics.json").read_text()) == before
    resumed = command("resume", "half", *name, folder=place)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    whole, half = (json.loads((place / run / "metrics.json").read_text()) for run in ("run", "half"))
    assert whole == half  # as if it had never been stopped or moved


def test_a_resumed_run_leaves_new_images_out(place: Path) -> None:
    fill(place / "photos" / "aaa", "dog")
    fill(place / "photos" / "ant", "ant", 2, first=70)
    result = command("resume", "half", folder=place)
    assert result.returncode == 0, result.stderr
    whole, half = (json.loads((place / run / "metrics.json").read_text()) for run in ("run", "half"))
    assert whole == half


def test_a_lost_training_image_ends_a_resume(place: Path) -> None:
    for number in range(6):
        (place / "photos" / "cow" / f"{number}.png").unlink()
    result = command("resume", "half", folder=place)
    assert result.returncode == 2
    assert "the images have changed since half was begun, so it cannot go on" in result.stderr
    assert "training images" not in result.stderr
    assert "train images are no longer there" in result.stderr


def test_a_table_sorted_anew_gives_the_same_figures(place: Path) -> None:
    rows = [f"photos/{name}/{i}.png,{name}" for name in ("ant", "bee", "cow") for i in range(12)]
    (place / "t.csv").write_text("\n".join(["path,class", *rows]))
    assert command("train", "--data", "t.csv", "--out", "table", *QUICK, folder=place).returncode == 0
    before = json.loads((place / "table" / "metrics.json").read_text())
    (place / "t.csv").write_text("\n".join(["path,class", *rows[::-1]]))
    result = command("evaluate", "table", folder=place)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads((place / "table" / "metrics.json").read_text()) == before


def test_an_edited_tree_is_refused_by_every_reader(place: Path) -> None:
    path = place / "run" / "tree.json"
    path.write_text(path.read_text().replace("cow", "elk"))
    for words in (("evaluate", "run"), ("report", "run"), ("predict", "run", "photos/ant/0.png"), ("resume", "run")):
        result = command(*words, folder=place)
        assert (result.returncode, len(result.stderr.splitlines())) == (2, 1), result.stderr
        assert "tree" in result.stderr


def test_an_edited_config_is_refused(place: Path) -> None:
    path = place / "half" / "config.toml"
    path.write_text(path.read_text().replace("learning_rate = 0.02", "learning_rate = 0.5"))
    result = command("resume", "half", folder=place)
    assert result.returncode == 2
    assert "has optimizer.learning_rate = 0.5, but this run was trained with 0.02; restore the value" in result.stderr


def test_arrays_from_python_are_checked_too(place: Path) -> None:
    config = config_of([*QUICK, f"data.cache={place / 'pack'}"], place / "photos")
    dataset = load_dataset(config.data)
    with pytest.raises(KeyboardInterrupt):
        treehead.train(config, place / "arrays", dataset=dataset, callback=Stop())  # pyright: ignore[reportArgumentType]
    other = treehead.Dataset(dataset.name, dataset.tree, dataset.test, dataset.train)
    run = treehead.resume(place / "arrays", dataset=other, callback=Silent())  # pyright: ignore[reportArgumentType]
    assert run.metrics["images"] == len(dataset.test)  # the parts are those of the record
    noise = treehead.Images(255 - dataset.train.pixels, dataset.train.labels)
    with pytest.raises(UserError, match="the images have changed"):
        treehead.resume(place / "arrays", dataset=treehead.Dataset("x", dataset.tree, noise, dataset.test))
