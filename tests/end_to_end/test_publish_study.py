"""Publishing a study: a light folder, and a section that follows from its files."""

import shutil
from pathlib import Path
from typing import cast

import pytest
from made_up_run import make_run_folder, small_tree
from test_study_report import BAD, make_study

import publish_study
from publishing import RUN_FILES, section_markers
from treehead.config import write_config
from treehead.records.study import StudySummary
from treehead.runfiles import StudyFolder, write_text
from treehead.study.builtin import shapes, study_of
from treehead.study.grid import cells
from treehead.study.scheduler import state_of
from treehead.study.summary import summarise_folder
from treehead.types import UserError


def evidence(repository: Path, section: str) -> Path:
    """A page with one empty section."""
    begin, end = section_markers(section)
    page = repository / "docs" / "evidence.md"
    write_text(page, f"before {begin} old {end} after")
    return page


def test_a_finished_study_is_published(tmp_path: Path) -> None:
    root, page = make_study(tmp_path / "study", finished=9), evidence(tmp_path, "study:shapes")
    with pytest.raises(UserError, match=r"not finished: adam-relu-seed1-no-norm, .*; `treehead study"):
        publish_study.publish(root, tmp_path)
    assert not (tmp_path / "docs" / "results").exists()
    for number, cell in enumerate(cells(shapes())[9:]):
        place = StudyFolder(root).run(cell.name)
        make_run_folder(place.root, tree=small_tree(BAD), seed=20 + number, images=480, samples=False)
        write_text(place.config, write_config(cell.config))
    results = publish_study.publish(root, tmp_path)
    assert results == tmp_path / "docs" / "results" / "shapes"
    files = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    runs = {f"runs/{cell.name}/{name}" for cell in cells(shapes()) for name in RUN_FILES if name != "tree.json"}
    assert files == {*runs, "runs/tree.json", "study.toml", "summary.md", "curves.png", "effects.png"}
    text = page.read_text()
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert text.count("\n| adam |") == 8
    assert "(results/shapes/effects.png)" in text
    assert publish_study.study_section(summarise_folder(results), "results/shapes") in text


def test_a_failure_leaves_the_published_study(tmp_path: Path) -> None:
    root = make_study(tmp_path / "study", finished=9)
    page = evidence(tmp_path, "study:shapes")
    results = publish_study.publish(root, tmp_path, partial=True)
    before = {path: path.read_bytes() for path in (tmp_path / "docs").rglob("*") if path.is_file()}
    assert page in before
    write_text(StudyFolder(root).run("sgd-relu-seed0").network, "{")
    with pytest.raises(UserError, match=r"network\.json"):
        publish_study.publish(root, tmp_path, partial=True)
    assert {path: path.read_bytes() for path in (tmp_path / "docs").rglob("*") if path.is_file()} == before
    assert results.exists()


@pytest.mark.slow
def test_a_study_may_be_published_in_part(tmp_path: Path) -> None:
    root, page = make_study(tmp_path / "study", finished=9), evidence(tmp_path, "study:shapes")
    results = publish_study.publish(root, tmp_path, partial=True)
    assert len(list((results / "runs").glob("*/metrics.json"))) == 9
    with pytest.raises(UserError, match="is already published"):
        publish_study.publish(results, tmp_path, partial=True)
    assert results.exists()
    assert "9 of 12 runs" in page.read_text()
    study, where = study_of(str(shutil.copytree(results, tmp_path / "again")))  # and continued from there
    states = [state_of(StudyFolder(where), cell).state for cell in cells(study)]
    assert states == ["finished"] * 9 + ["waiting"] * 3


def test_a_page_without_the_section_stays(tmp_path: Path) -> None:
    page = evidence(tmp_path, "study:other")
    before = page.read_text()
    results = publish_study.publish(make_study(tmp_path / "study", finished=9), tmp_path, partial=True)
    assert page.read_text() == before
    assert list(results.glob("*.png")) == []


def test_a_study_of_losses_shows_its_mistakes() -> None:
    rows = [
        {"at": {"loss": loss}, "decode": kind} for loss in ("cross_entropy", "hxe") for kind in ("independent", "crm")
    ]
    summary = {
        "name": "severity",
        "axes": {"loss": ["cross_entropy", "hxe"]},
        "cells": [{"figures": {}}],
        "answers": [
            {"question": "is hxe milder in its mistakes?", "text": "hxe is milder."},
            {"question": "is hxe faster?", "text": "hxe is faster."},
        ],
        "mistakes": rows,
        "mistakes_table": {"heads": ["choice", "decode"], "lines": [[r["at"]["loss"], r["decode"]] for r in rows]},
    }
    written = publish_study.study_section(cast("StudySummary", summary), "there")
    assert "| cross_entropy | crm |\n| hxe | independent |\n\n- hxe is milder." in written
    assert "| hxe | crm |" not in written
    assert "hxe is faster" not in written
    assert "there/mistakes.png" in written
    assert "curves.png" not in written
