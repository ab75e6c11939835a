"""The examples, run as a reader runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def said_by(name: str, *words: str, folder: Path) -> str:
    """What the example prints, run in `folder`; it must succeed and complain of nothing."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name), *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert list(folder.iterdir()) == [], "an example leaves nothing behind"
    return run.stdout


@pytest.mark.slow
def test_a_first_model_from_a_folder(tmp_path: Path) -> None:
    said = said_by("first_model.py", folder=tmp_path)
    accuracy = re.search(r"^(\d+) % of the (\d+) pictures held out are right$", said, re.MULTILINE)
    assert accuracy is not None
    assert int(accuracy[1]) > 35  # of six outlines, after a few epochs
    assert [line.split()[0] for line in said.splitlines()[-2:]] == ["class", "group"]


def test_reading_a_run(tmp_path: Path) -> None:
    said = said_by("read_a_run.py", folder=tmp_path).splitlines()
    assert said[0] == "10,000 test images"
    assert re.fullmatch(r"  fine +\d\d\.\d\d % right", said[1])
    assert len(said) == 10
    assert all(re.fullmatch(r" +\d+ x \w+ taken for \w+: (both are \w.*|they share nothing.*)", s) for s in said[5:])


def test_onnx_in_another_process_answers_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    elsewhere, here = said_by("onnx_elsewhere.py", folder=tmp_path).split("here, with treehead\n")
    names = [re.split(r"\s{2,}", line.strip())[:2] for line in elsewhere.splitlines()[1:]]
    assert names == [re.split(r"\s{2,}", line.strip()) for line in here.splitlines()]
    assert [level for level, _ in names] == ["fine", "superclass", "group"]


def test_cross_validation(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    said = said_by("cross_validation.py", folder=tmp_path)
    scores = [float(score) for score in re.findall(r"^fold \d: (.+) % of the digits are right$", said, re.MULTILINE)]
    assert len(scores) == 3
    assert min(scores) > 80


@pytest.mark.slow
def test_a_custom_loss_changes_the_mistakes(tmp_path: Path) -> None:
    said = said_by("own_loss.py", folder=tmp_path)
    plain, custom = map(int, re.findall(r"round answered as angular: (\d+)", said))
    assert custom < plain
