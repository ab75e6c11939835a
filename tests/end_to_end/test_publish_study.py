"""Publishing a study: its files, and a README that says what they say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from test_study_report import make_study

from conftest import make_run_folder
from treehead.config import write_config
from treehead.experiment.grid import cells
from treehead.experiment.studies import shapes
from treehead.report import write_study_report
from treehead.runfiles import StudyFolder, write_text
from treehead.types import UserError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def publisher() -> ModuleType:
    spec = importlib.util.spec_from_file_location("publish", REPOSITORY / "docs" / "results" / "publish_study.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_finished_study_is_published(publisher: ModuleType, tmp_path: Path) -> None:
    root = make_study(tmp_path / "study", finished=9)
    write_text(tmp_path / "README.md", f"before {publisher.BEGIN} old {publisher.END} after")
    with pytest.raises(UserError, match=r"adam-relu-seed1-no-norm is not finished, nor are 2 more"):
        publisher.publish(root, tmp_path)
    for number, cell in enumerate(cells(shapes())[9:]):
        place = StudyFolder(root).run(cell.name)
        make_run_folder(place.root, seed=20 + number, images=480, samples=False)
        write_text(place.config, write_config(cell.config))
    results = publisher.publish(root, tmp_path)
    assert results == tmp_path / "docs" / "results" / "shapes"
    assert sorted(path.name for path in (results / "runs" / "sgd-relu-seed0").iterdir()) == sorted(publisher.PUBLISHED)
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before ")
    assert readme.endswith(" after")
    assert readme.count("\n| adam |") == 8
    assert "docs/results/shapes/figures/effects.png" in readme
    before = {name: (results / name).read_bytes() for name in ("summary.json", "report.html")}
    publisher.write_summary(results)
    write_study_report(results)
    assert {name: (results / name).read_bytes() for name in before} == before


def test_a_readme_without_its_markers_is_refused(publisher: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no section between"):
        publisher.filled("nothing here", tmp_path)


def test_the_readme_shows_the_published_study(publisher: ModuleType) -> None:
    """Where one is published; until then the README says that it is still to come."""
    readme, results = (REPOSITORY / "README.md").read_text(), REPOSITORY / "docs" / "results" / "reference"
    if results.exists():
        assert publisher.filled(readme, results) == readme
    else:
        assert "still to come" in readme.partition(publisher.BEGIN)[2].partition(publisher.END)[0]
