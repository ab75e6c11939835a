"""The examples, run as scripts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def output_of(name: str, folder: Path, **choices: int) -> str:
    """The output of an example that is run in `folder`, without errors or warnings; `choices` make it quicker."""
    script = str(ROOT / "examples" / name)
    program = ["-c", f"import runpy; runpy.run_path({script!r})['main'](**{choices})"] if choices else [script]
    run = subprocess.run(
        [sys.executable, "-W", "error", *program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert list(folder.iterdir()) == [], "an example must not leave files"
    return run.stdout


@pytest.mark.slow
def test_a_first_model_from_a_folder(tmp_path: Path) -> None:
    output = output_of("first_model.py", folder=tmp_path, images=30, epochs=10)
    accuracy = re.search(r"^accuracy (\d+) % on (\d+) held-out images$", output, re.MULTILINE)
    assert accuracy is not None
    assert int(accuracy[1]) > 50  # of four textures, after a few epochs
    assert [line.split()[0] for line in output.splitlines()[-2:]] == ["class", "group"]


def test_a_run_folder_is_read(tmp_path: Path) -> None:
    output = output_of("read_a_run.py", folder=tmp_path).splitlines()
    assert output[0] == "10,000 test images"
    assert re.fullmatch(r"  fine +\d\d\.\d\d % accuracy", output[1])
    assert len(output) == 10
    assert all(re.fullmatch(r" +\d+ x \w+ predicted as \w+: (both are \w.*|no common class.*)", s) for s in output[5:])


@pytest.mark.slow
def test_onnx_in_another_process_gives_the_same_path(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    other, ours = output_of("onnx_elsewhere.py", folder=tmp_path).split("\ntreehead\n")
    names = [re.split(r"\s{2,}", line.strip())[:2] for line in other.splitlines()[1:]]
    assert names == [re.split(r"\s{2,}", line.strip()) for line in ours.splitlines()]
    assert [level for level, _ in names] == ["fine", "superclass", "group"]


@pytest.mark.slow
def test_cross_validation(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    output = output_of("cross_validation.py", folder=tmp_path)
    scores = [float(score) for score in re.findall(r"^fold \d: (.+) % accuracy$", output, re.MULTILINE)]
    assert len(scores) == 3
    assert min(scores) > 80


@pytest.mark.slow
def test_a_custom_loss_changes_the_mistakes(tmp_path: Path) -> None:
    output = output_of("own_loss.py", folder=tmp_path)
    plain, custom = map(int, re.findall(r"patterned answered as uniform: (\d+)", output))
    assert custom < plain
