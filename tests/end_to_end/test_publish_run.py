"""Publishing a run: a light folder, the model in the package, a section; and nothing lost when it fails."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

import publish_run
import treehead
from publishing import replaced, section_markers
from treehead.api import train
from treehead.data.shapes import shapes
from treehead.runfiles import RunFolder
from treehead.types import UserError

QUICK = {
    "train.epochs": 1,
    "data.split": "90:10",
    "network.stages": [{"width": 4}, {"width": 8}],
    "engine.kind": "scratch",
    "output.images": False,
}


@pytest.fixture(scope="module", autouse=True)
def quick_data() -> Iterator[None]:
    """Training and publishing use fewer shapes."""
    with mock.patch("treehead.data.load.shapes", partial(shapes, train_per_leaf=50, test_per_leaf=25)):
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with weights and predictions."""
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    train(treehead.changed(treehead.recipe("shapes"), QUICK), folder)
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with an empty section, and an older run that is published and shipped."""
    begin, end = section_markers("results:shapes")
    for folder in ("docs/results/shapes", "src/treehead/models/shapes"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "weights.safetensors").write_text("older")
    (tmp_path / "docs" / "evidence.md").write_text(f"before\n\n{begin}\n{end}\n\nafter\n")
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_run_is_published(trained: Path, repository: Path) -> None:
    results = publish_run.publish(trained, repository)
    model = repository / "src" / "treehead" / "models" / "shapes"
    assert set(files(results)) == {*publish_run.PUBLISHED, "curves.png", "confusion_superclass.png", "severity.png"}
    assert set(files(model)) == {*publish_run.SHIPPED, "weights.safetensors"}
    assert "confusion" in json.loads((trained / "metrics.json").read_text())
    assert "confusion" not in json.loads((results / "metrics.json").read_text())
    shipped = json.loads((model / "metrics.json").read_text())
    assert "confusion" not in shipped
    page = (repository / "docs" / "evidence.md").read_text()
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert (
        f"| fine | {100 * RunFolder(results).read_json(results / 'metrics.json')['accuracy']['fine']:.2f} % |" in page
    )
    assert f"Measured in float32 on a CPU it gives {100 * shipped['accuracy']['fine']:.2f} /" in page
    assert "(results/shapes/curves.png)" in page
    with pytest.raises(UserError, match="is already published"):
        publish_run.publish(results, repository)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("weights.safetensors", "weights.safetensors"),
        ("predictions.npz", "has no predictions.npz"),
        ("metrics.json", "metrics.json"),
        ("history.jsonl", "has no history.jsonl"),
    ],
)
def test_nothing_changes_when_a_file_is_missing(trained: Path, repository: Path, missing: str, message: str) -> None:
    run, before = repository / "runs" / "shapes", files(repository)
    run.mkdir(parents=True)
    for name, content in files(trained).items():
        if name != missing and "/" not in name:
            (run / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        publish_run.publish(run, repository)
    left = files(repository)
    assert {name: content for name, content in left.items() if not name.startswith("runs/")} == before


def test_a_damaged_network_changes_nothing(trained: Path, repository: Path) -> None:
    run, before = repository / "runs" / "shapes", files(repository)
    run.mkdir(parents=True)
    for name, content in files(trained).items():
        if "/" not in name:
            (run / name).write_bytes(content)
    (run / "network.json").write_text('{"input": [3, 32, 32]}')
    with pytest.raises(UserError, match=r"network\.json is damaged"):
        publish_run.publish(run, repository)
    assert {name: content for name, content in files(repository).items() if not name.startswith("runs/")} == before


def test_folders_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("old")
    before = files(tmp_path)
    with pytest.raises(FileNotFoundError), replaced(tmp_path / "a", tmp_path / "b") as (first, _):
        first.joinpath("no", "such", "file").write_text("new")
    assert files(tmp_path) == before
    with replaced(tmp_path / "a", tmp_path / "c") as (first, second):
        (first / "file").write_text("new")
        (second / "other").write_text("new")
    assert files(tmp_path) == {"a/file": b"new", "b/file": b"old", "c/other": b"new"}


def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path: Path) -> None:
    script = Path(publish_run.__file__)
    done = subprocess.run([sys.executable, script, tmp_path / "no"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("publish_run: ")
    assert len(done.stderr.splitlines()) == 1
