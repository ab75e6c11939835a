"""Publishing a study: its files, and a README that says what they say."""

import shutil
from pathlib import Path

import pytest
from test_study_report import make_study

import publish_study
from conftest import make_run_folder
from filing import RUN_FILES, markers
from treehead.config import RunConfig, write_config
from treehead.records.study import MistakeRow, StudySummary
from treehead.report import write_study_report
from treehead.runfiles import StudyFolder, write_text
from treehead.study.builtin import shapes, study_of
from treehead.study.grid import Study, axis, cells
from treehead.study.scheduler import state_of
from treehead.study.summary import summarise_study
from treehead.types import UserError

REPOSITORY = Path(__file__).parents[2]


def test_a_finished_study_is_published(tmp_path: Path) -> None:
    root = make_study(tmp_path / "study", finished=9)
    begin, end = markers("study:shapes")
    write_text(tmp_path / "README.md", f"before {begin} old {end} after")
    with pytest.raises(UserError, match=r"of .*, adam-relu-seed1-no-norm, .* is not finished; treehead study"):
        publish_study.publish(root, tmp_path)
    for number, cell in enumerate(cells(shapes())[9:]):
        place = StudyFolder(root).run(cell.name)
        make_run_folder(place.root, seed=20 + number, images=480, samples=False)
        write_text(place.config, write_config(cell.config))
    results = publish_study.publish(root, tmp_path)
    assert results == tmp_path / "docs" / "results" / "shapes"
    assert sorted(path.name for path in (results / "runs" / "sgd-relu-seed0").iterdir()) == sorted(RUN_FILES)
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before ")
    assert readme.endswith(" after")
    assert readme.count("\n| adam |") == 8
    assert "docs/results/shapes/figures/effects.png" in readme
    before = {name: (results / name).read_bytes() for name in ("summary.json", "report.html")}
    publish_study.write_summary(results)
    write_study_report(results)
    assert {name: (results / name).read_bytes() for name in before} == before


def test_a_study_may_be_published_in_part(tmp_path: Path) -> None:
    root = make_study(tmp_path / "study", finished=9)
    begin, end = markers("study:shapes")
    write_text(tmp_path / "README.md", f"{begin} old {end}")
    results = publish_study.publish(root, tmp_path, partial=True, page=False)
    assert not (results / "report.html").exists()
    assert "report.html" not in (tmp_path / "README.md").read_text()
    assert len(list((results / "runs").iterdir())) == 9
    with pytest.raises(UserError, match="is published already"):
        publish_study.publish(results, tmp_path, partial=True)
    assert results.exists()
    assert "9 of 12 runs" in (tmp_path / "README.md").read_text()
    study, where = study_of(str(shutil.copytree(results, tmp_path / "again")))  # and gone on with from there
    states = [state_of(StudyFolder(where), cell).state for cell in cells(study)]
    assert states == ["finished"] * 9 + ["waiting"] * 3


def test_a_readme_without_its_markers_stays() -> None:
    assert publish_study.filled("nothing here", REPOSITORY / "docs" / "results" / "rates") == "nothing here"


def mistake_row(loss: str, decoder: str) -> MistakeRow:
    at = {"loss": loss}
    return {"choice": loss, "at": at, "extra": "", "decode": decoder, "runs": 1, "figures": {}, "against": None}


def test_a_study_of_losses_shows_its_mistakes() -> None:
    rows = [mistake_row(loss, decoder) for loss in ("cross_entropy", "hxe") for decoder in ("independent", "crm")]
    summary: StudySummary = {
        **summarise_study(Study("severity", "", RunConfig(), (axis("loss", ["cross_entropy", "hxe"]),), ()), []),
        "answers": [
            {"question": "loss: which makes fewer severe mistakes?", "text": "hxe makes fewer."},
            {"question": "loss: which learns faster?", "text": "hxe learns faster."},
        ],
        "mistakes": rows,
        "mistakes_table": {"heads": ["choice", "decode"], "lines": [[row["choice"], row["decode"]] for row in rows]},
    }
    written = publish_study.section(summary, "there", {"figures/mistakes.png", "figures/curves.png"})
    assert "| cross_entropy | crm |\n| hxe | independent |\n\n- hxe makes fewer." in written
    assert "| hxe | crm |" not in written
    assert "hxe learns faster" not in written
    assert "there/figures/mistakes.png" in written
    assert "curves.png" not in written
    assert "report.html" not in written


@pytest.mark.parametrize("name", ["reference", "severity"])
def test_the_readme_shows_the_published_study(name: str) -> None:
    """Where one is published; until then the README says that it is still to come."""
    readme, results = (REPOSITORY / "README.md").read_text(), REPOSITORY / "docs" / "results" / name
    begin, end = markers(f"study:{name}")
    if results.exists():
        assert publish_study.filled(readme, results) == readme
    else:
        assert "still to come" in readme.partition(begin)[2].partition(end)[0]
