"""Custom images at the command line: check them, train on them, and every mistake is one sentence."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import command_line
import numpy as np
import pytest
from command_line import Finished
from PIL import Image

from treehead import cli

QUICK = ["data.image_px=32", "train.epochs=2", "train.batch_size=16", "network.stages=[{width=8},{width=12}]"]
COLOURS = {"warm/red": (200, 40, 40), "warm/amber": (220, 160, 30), "cold": (30, 60, 200)}


def command(*arguments: str, folder: Path) -> Finished:
    return command_line.command(*arguments, folder=folder, XDG_CACHE_HOME=str(folder / "cache"))


def paint(file: Path, colour: tuple[int, int, int], seed: int) -> None:
    """Save a noisy image of one colour."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-25, 26, (40, 48, 3))
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(file)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`: two warm classes of 30 images, 5 more of `warm` alone, and a class `cold` of 10."""
    folder = tmp_path_factory.mktemp("work")
    seed = 0
    for name, colour in COLOURS.items():
        for number in range(10 if name == "cold" else 30):
            seed += 1
            paint(folder / "photos" / name / f"ph'oto {number}.{'png' if number % 2 else 'jpg'}", colour, seed)
    for number in range(5):
        paint(folder / "photos" / "warm" / f"unknown {number}.png", (210, 90, 35), 1000 + number)
    (folder / "photos" / "cold" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    return folder


def test_check_lists_classes_problems_and_what_a_run_would_do(work: Path) -> None:
    result = command("data", "check", "photos", "data.image_px=32", folder=work)
    assert result.returncode == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "warm 52 13 5 without a label below" in lines
    assert "red 24 6" in lines
    assert "cold 8 2" in lines
    assert "! unreadable images (1 of 76):" in lines
    assert "! classes with fewer than 10 training images (1): cold" in lines
    assert "heads: class (3 classes), group (2 classes)" in lines
    cache = r"cache: .*/cache/treehead/images/.* \(0\.2 MB\)"
    assert any(re.fullmatch(cache, line) for line in lines)
    assert "training: 60 images at 32 x 32 pixels" in lines
    assert "test: 15 images, held out by data.test_share = 0.2, the same in every run" in lines
    assert "5 images have no label at the lowest levels; the heads of these levels ignore them" in lines


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_train_on_a_folder_and_predict(work: Path, balance: str) -> None:
    run = f"runs/{balance}"
    result = command("train", "--data", "photos", "--out", run, f"data.balance={balance}", *QUICK, folder=work)
    assert result.returncode == 0, result.stderr
    assert "skipped 1 of 76 images because they cannot be read" in result.stdout
    assert f"report: {run}/report.html" in result.stdout
    metrics = json.loads((work / run / "metrics.json").read_text())
    assert metrics["levels"] == ["class", "group"]
    assert metrics["images"] == metrics["known"]["group"] == 15
    assert metrics["known"]["class"] == sum(metrics["severity_counts"]) == 14
    assert len(metrics["recall"]["class"]) == 3
    assert metrics["decoders"]["crm"]["accuracy"] == pytest.approx(metrics["accuracy"])
    assert metrics["decoders"]["crm"]["severity_counts"] == metrics["severity_counts"]
    page = (work / run / "report.html").read_text(encoding="utf-8")
    assert "class over the 14 labelled ones" in page
    assert "Mean recall" in page
    answer = command("predict", run, "photos/cold/ph'oto 3.png", folder=work)
    assert answer.returncode == 0, answer.stderr


def test_images_are_read_once(work: Path) -> None:
    for number in range(2):
        result = command("data", "check", "photos", "data.image_px=40", folder=work)
        assert result.returncode == 0, result.stderr
        assert ("reading" in result.stdout + result.stderr) == (number == 0)


def test_train_on_a_manifest_and_show_its_network(work: Path) -> None:
    files = sorted((work / "photos" / "warm").glob("*/*.png"))
    rows = [f"{file.relative_to(work)},{file.parent.name}" for file in files]
    (work / "warm.csv").write_text("\n".join(["path,colour", *rows]))
    result = command("train", "--data", "warm.csv", *QUICK, folder=work)
    assert result.returncode == 0, result.stderr
    summary = command("summary", "--data", "warm.csv", "data.image_px=224", folder=work)
    assert "heads.colour" in summary.stdout
    assert "256 x 7 x 7" in summary.stdout


Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """The error of a refused `train`: one line, exit code 2, no run folder and no unfinished entry in the cache."""

    def run(*arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr("sys.argv", ["treehead", "train", *arguments, "--out", "never", *QUICK])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        message = capsys.readouterr().err
        assert (stopped.value.code, len(message.splitlines())) == (2, 1), message
        assert not (tmp_path / "never").exists()
        assert list((tmp_path / "cache").rglob(".packing-*")) == []
        return message

    return run


def test_mistakes_are_one_sentence(tmp_path: Path, refused: Refused) -> None:
    assert "photos does not exist; name a folder of images" in refused("--data", "photos")
    (tmp_path / "photos").mkdir()
    assert "contains no images" in refused("--data", "photos")
    paint(tmp_path / "photos" / "cat" / "1.png", (1, 2, 3), 1)
    assert "has only one class, 'cat'" in refused("--data", "photos")
    paint(tmp_path / "photos" / "dog" / "1.png", (1, 2, 3), 2)
    assert "has no test image with a known class" in refused("--data", "photos")
    assert "needs 1 level names, got 3: a, b, c" in refused("--data", "photos", "data.levels=['a','b','c']")
    (tmp_path / "photos" / "dog" / "round").symlink_to(tmp_path / "photos")
    assert "remove the link" in refused("--data", "photos")
    assert "data.name = 'folder' needs data.root" in refused("folder")


def test_a_head_cannot_have_the_name_of_a_torch_attribute(tmp_path: Path, refused: Refused) -> None:
    for number in range(4):
        paint(tmp_path / f"{number}.png", (50 * number, 2, 3), number)
    (tmp_path / "pets.csv").write_text("path,type\n0.png,cat\n1.png,cat\n2.png,dog\n3.png,dog\n")
    assert "a level cannot be called 'type'" in refused("--data", "pets.csv")


def test_a_read_only_folder_is_read_and_not_changed(work: Path) -> None:
    """Root may write anywhere, so the contents and modification times of the folders are compared as well."""
    folders = [path for path in (work / "photos").rglob("*") if path.is_dir()]

    def state() -> list[tuple[int, list[str]]]:
        return [(folder.stat().st_mtime_ns, sorted(os.listdir(folder))) for folder in folders]

    before = state()
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert command("data", "check", "photos", "data.image_px=32", folder=work).returncode == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert state() == before


def no_permission(path: os.PathLike[str] | str, *rest: object, **more: object) -> None:
    """The error that any user but root gets."""
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))


def test_a_cache_or_folder_without_permission_is_named(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        paint(tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.png", (50 * number, 2, 3), number)
    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", no_permission)
        message = refused("--data", "photos", "data.cache=new")
    assert "cannot cache the images in new (Permission denied); choose another folder: data.cache=" in message
    monkeypatch.setattr(os, "listdir", no_permission)
    assert "photos: Permission denied" in refused("--data", "photos")
