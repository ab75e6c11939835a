"""The distributions: a wheel that installs and predicts, an sdist that holds what its tests need."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import treehead
from treehead.serve.drawings import DRAWINGS

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def run(*arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=plain | dict(environment or {}),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    return folder


def test_the_wheel_installs_and_predicts(built: Path, tmp_path: Path) -> None:
    """In a fresh environment that has this one's libraries, but not this checkout."""
    (wheel,) = built.glob("*.whl")
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, folder=tmp_path)
    site = next(path for path in environment.rglob("site-packages") if path.is_dir())
    (site / "libraries.pth").write_text(str(libraries()), encoding="utf-8")
    DRAWINGS["orange"]().save(tmp_path / "orange.png")
    where = run(python, "-c", "import treehead; print(treehead.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(site)
    answer = run(python, "-m", "treehead", "predict", "orange.png", folder=tmp_path)
    assert "orange" in answer
    assert "treehead data" in run(python, "-m", "treehead", "data", "--help", folder=tmp_path)


def libraries() -> Path:
    """The folder of this environment's libraries."""
    import numpy

    return Path(numpy.__file__).parents[1]


def test_the_wheel_has_everything_but_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = Path(treehead.__file__).parent
    ours = {path.relative_to(inside.parent).as_posix() for path in inside.rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    packaged = {name for name in names if ".dist-info/" not in name}
    assert packaged == ours
    assert {"treehead/py.typed", "treehead/models/cifar100/weights.safetensors"} <= packaged
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_sdist_holds_what_its_tests_need(built: Path, tmp_path: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    source = {"PYTHONPATH": str(unpacked / "src")}
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    rooms = [
        path for room in ("hierarchy", "metrics") for path in (unpacked / "tests" / "unit" / room).glob("test_*.py")
    ]
    quick = " or ".join(["test_ci.py", "test_results.py", *(path.name for path in rooms)])  # of all that is collected
    assert "passed" in run(*pytest_, "-m", "not slow", "-k", quick, folder=unpacked, environment=source)
