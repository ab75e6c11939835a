"""Every number that README and docs report follows from the files in docs/results."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import claims
import evidence
import publish_attempts
import results
from publishing import EVIDENCE, REPOSITORY, RESULTS, section_markers, stored_digest
from treehead.cli.main import main
from treehead.report.run.read import read_run
from treehead.runfiles import RunFolder


def test_pages_figures_and_numbers_follow_from_the_files() -> None:
    assert results.check() == []


def test_what_differs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, figure = tmp_path / "evidence.md", RESULTS / "cifar100" / "curves.png"
    text = EVIDENCE.read_text(encoding="utf-8")
    row = "| fine | 75.58 % |"
    assert row in text
    page.write_text(text.replace(row, "| fine | 75.85 % |"), encoding="utf-8")
    monkeypatch.setattr(results, "EVIDENCE", page)
    monkeypatch.setattr(results, "stored_digest", lambda path: "" if path == figure else stored_digest(path))
    assert results.stale() == [page, figure]


def test_an_independent_program_finds_the_same_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tampered sentences, tables and metrics are each found; the program imports nothing of treehead."""
    source = Path(evidence.__file__).read_text(encoding="utf-8")
    assert "treehead" not in {
        name.split(".")[0] for name in re.findall(r"^(?:from|import) (\S+)", source, re.MULTILINE)
    }
    assert evidence.main() == 0
    page = tmp_path / "evidence.md"
    text = EVIDENCE.read_text(encoding="utf-8")
    changes = {
        "severity makes 78 more": "severity makes 87 more",
        "pairs of runs): significant": "pairs of runs): not significant",
    }
    for before, after in changes.items():
        assert before in text
        page.write_text(text.replace(before, after), encoding="utf-8")
        monkeypatch.setattr(evidence, "PAGE", page)
        assert evidence.main() == 1, before
    capsys.readouterr()


def test_a_number_without_a_source_is_found() -> None:
    known = claims.facts()
    page = "We reach 75.56 % (75.33 to 75.78 %), 1.25 points more, not 80 % or 3.11; the aim is 82.03 %."
    sourceless = dict(claims.unknown(page, known.of(Path("README.md"))))
    assert list(sourceless) == ["1.25"]
    assert sourceless["1.25"].startswith("We reach 75.56 %")
    page = "It makes 78 more mistakes (+23 to +134), HD@5 falls from 1.76 to 1.58, and 163 more mistakes of severity 1."
    assert [number for number, _ in claims.unknown(page, known.of(Path("severity.md")))] == ["+134", "1.58", "163"]


def test_results_are_light() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "docs/results"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [REPOSITORY / name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).exists()]
    assert sum(path.stat().st_size for path in files) < 6e6
    assert [path for path in files if path.suffix == ".html"] == []
    for path in files:
        if path.name == "metrics.json":
            assert "confusion" not in json.loads(path.read_text()), path


def test_attempts_are_the_published_run_and_seven_others() -> None:
    records = publish_attempts.read(RESULTS / "attempts", RESULTS / "cifar100")
    assert list(records) == [
        "published",
        "batches-of-128",
        "half-rate",
        "mixed-to-the-end",
        "muon",
        "plain-steps",
        "small-images-first",
        "three-stages",
    ]


def test_the_published_run_has_the_confusion_matrices_of_its_predictions() -> None:
    record = read_run(RESULTS / "cifar100")
    assert record.metrics is not None
    matrix = record.confusion("fine")
    assert matrix is not None
    assert matrix.sum() == 10_000
    assert (np.diag(matrix) / matrix.sum(axis=1)).tolist() == record.metrics["recall"]["fine"]


def test_the_headline_is_the_last_epoch() -> None:
    history = RunFolder(RESULTS / "cifar100").read_history()
    assert [record["epoch"] for record in history] == list(range(1, 51))


@pytest.mark.parametrize("name", ["attempts/muon", "scratch/pytorch", pytest.param("rates", marks=pytest.mark.slow)])
def test_a_report_can_be_drawn_from_light_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy keeps the tree beside the run; the report has no confusion matrices, and everything else."""
    copy = tmp_path / Path(name).parts[0]
    copy_files(RESULTS / copy.name, copy)
    folder = tmp_path / name
    monkeypatch.setattr("sys.argv", ["treehead", "report", str(folder)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    drawn = {path.stem for path in (folder / "figures").iterdir()}
    assert "curves" in drawn
    assert [figure for figure in drawn if figure.startswith("confusion")] == []
    assert (folder / "report.html").stat().st_size > 100_000


def copy_files(source: Path, target: Path) -> None:
    """Copy a folder of results without what reports have left in it."""
    for path in source.rglob("*"):
        inside = path.relative_to(source)
        if path.is_file() and "figures" not in inside.parts and path.suffix in (".json", ".jsonl", ".toml"):
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            (target / inside).write_bytes(path.read_bytes())


def test_evidence_has_every_generated_section() -> None:
    page = EVIDENCE.read_text(encoding="utf-8")
    for name in ("results:cifar100", "study:reference", "study:severity"):
        assert all(marker in page for marker in section_markers(name)), name
    assert "treehead train cifar100`: 2," in page
