"""The files of a run folder: JSON that stays short in a diff, and the tree that runs share."""

import json
import shutil
from pathlib import Path

import pytest

from treehead.runfiles import LINE_LENGTH, RunFolder, alone, json_text, write_json, written_whole
from treehead.types import RunError, UserError


def test_json_has_a_line_per_key_and_none_per_number() -> None:
    value = {"accuracy": {"fine": 0.5}, "counts": list(range(90)), "matrix": [[1, 2], [3, 4]], "none": None, "é": "ü"}
    lines = json_text(value).splitlines()
    assert json.loads(json_text(value)) == value
    assert lines[0] == "{"
    assert lines[1] == ' "accuracy": {"fine": 0.5},'
    assert lines[2].startswith(' "counts": [0, 1, 2,')  # numbers are never broken, however long the line
    assert len(lines[2]) > LINE_LENGTH
    assert lines[3:] == [' "matrix": [[1, 2], [3, 4]],', ' "none": null,', ' "é": "ü"', "}"]


def test_json_breaks_rows_that_do_not_fit_a_line() -> None:
    rows = [list(range(30)), list(range(30))]
    assert json_text(rows).splitlines() == ["[", f" {json.dumps(rows[0])},", f" {json.dumps(rows[1])}", "]"]
    assert json_text([]) == "[]"
    assert json_text({}) == "{}"
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"loss": float("nan")})


def test_runs_may_share_the_tree_beside_them(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "one")
    run.root.mkdir(parents=True)
    with pytest.raises(UserError, match=r"tree\.json"):
        run.read_tree()
    write_json(tmp_path / "runs" / "tree.json", {"name": "shared"})
    assert run.read_tree() == {"name": "shared"}
    write_json(run.tree, {"name": "its own"})
    assert run.read_tree() == {"name": "its own"}


# ---- alone, or refused


def test_what_a_killed_process_has_left_is_swept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.figures.mkdir(parents=True)
    left = [folder.root / ".metrics.json.abc", folder.figures / ".curves.png.xyz"]
    for path in (*left, folder.root / "notes.txt"):
        path.write_text("half", encoding="utf-8")
    with alone(folder):
        assert not any(path.exists() for path in left)
        with pytest.raises(UserError, match="another process trains, evaluates or reports on"), alone(folder):
            pass
    assert {path.name for path in folder.root.iterdir()} == {"figures", "notes.txt"}


@pytest.mark.parametrize("again", [False, True], ids=["removed", "replaced"])
def test_a_folder_that_was_removed_does_not_rise_again(tmp_path: Path, again: bool) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    with alone(folder):
        write_json(folder.metrics, {})
        shutil.rmtree(folder.root)
        if again:
            folder.root.mkdir()
        for path in (folder.history, folder.figures / "x.png"):
            with pytest.raises(RunError, match="was removed or replaced while this run was at work"):
                write_json(path, {})
    assert not folder.root.exists() or list(folder.root.iterdir()) == []
    write_json(folder.metrics, {})  # who does not work on the run may make the folder


def test_a_folder_that_is_removed_while_a_file_is_written_does_not_rise_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    with alone(folder), pytest.raises((RunError, OSError)), written_whole(folder.metrics):
        shutil.rmtree(folder.root)
    assert not folder.root.exists()
