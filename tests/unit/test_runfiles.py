"""The files of a run folder: JSON that stays short in a diff, and the tree that runs share."""

import json
from pathlib import Path

import pytest

from treehead.runfiles import LINE_LENGTH, RunFolder, json_text, write_json
from treehead.types import UserError


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
