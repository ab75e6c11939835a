"""Publishing a run of the scratch engine next to PyTorch's: a page that follows from the files of both."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_run import make_run_folder

import publish_scratch
import treehead
from publishing import RESULTS, RUN_FILES
from treehead.config import write_config
from treehead.recipes import recipe
from treehead.runfiles import RunFolder, write_json, write_text
from treehead.types import UserError


def run_of(engine: str, path: Path, *, finished: bool = True, **changes: object) -> Path:
    """A made-up run of an engine."""
    folder = RunFolder(
        make_run_folder(path, seed=len(changes) + (engine == "scratch"), images=480, samples=False, finished=finished)
    )
    config = treehead.changed(recipe("shapes"), {"name": path.name, "engine.kind": engine} | changes)
    write_text(folder.config, write_config(config))
    precision = "float32" if engine == "scratch" else "bfloat16"
    write_json(folder.environment, folder.read_json(folder.environment) | {"engine": engine, "precision": precision})
    return path


def table(page: str) -> list[dict[str, str]]:
    """The rows of a page's table, cells by their column's name."""
    head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in page.splitlines() if line[:1] == "|")
    return [dict(zip(head, row, strict=True)) for row in rows]


def assert_page_follows(page: str, runs: dict[str, Path]) -> None:
    """Every cell of the table, worked out again from the files of its run."""
    rows = table(page)
    assert [row["engine"] for row in rows] == list(runs)
    for row, root in zip(rows, runs.values(), strict=True):
        metrics, environment = (json.loads((root / name).read_text()) for name in ("metrics.json", "environment.json"))
        history: list[dict[str, Any]] = [json.loads(line) for line in (root / "history.jsonl").read_text().splitlines()]
        assert (row["engine"], row["precision"]) == (environment["engine"], environment["precision"])
        for level in metrics["levels"]:
            assert float(row[level].removesuffix(" %")) == pytest.approx(100 * metrics["accuracy"][level], abs=0.0051)
        counts = next(cell for name, cell in row.items() if name.startswith("images by severity"))
        assert [int(count.replace(",", "")) for count in counts.split(" / ")] == metrics["severity_counts"]
        seconds = float(row["training, s"].replace(",", ""))
        assert seconds == pytest.approx(environment["seconds"], abs=0.6)
        slowest, *_, fastest = sorted(epoch["images_per_second"] for epoch in history)
        assert slowest - 0.5 <= float(row["images per second"]) <= fastest + 0.5
        trained = sum(epoch["images_per_second"] * epoch["seconds"] for epoch in history)
        assert float(row["images per second"]) * seconds == pytest.approx(trained, rel=0.01)
        memory = float(row["peak memory"].removesuffix(" GB"))
        assert memory == pytest.approx(environment["peak_memory_bytes"] / 1e9, abs=0.0051)


def test_a_finished_run_is_published(tmp_path: Path) -> None:
    ours, theirs = run_of("scratch", tmp_path / "mine"), run_of("pytorch", tmp_path / "theirs")
    results = tmp_path / "results" / "scratch"
    for root in (ours, theirs):  # a made-up run's seconds are not those of its epochs
        folder = RunFolder(root)
        seconds = sum(record["seconds"] for record in folder.read_history())
        write_json(folder.environment, folder.read_json(folder.environment) | {"seconds": seconds})
    page = publish_scratch.publish(ours, theirs, results)
    kept = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    both = {f"{folder}{file}" for folder in ("", "pytorch/") for file in RUN_FILES}
    assert kept == {*both, "README.md", "curves.png"} - {"pytorch/tree.json"}
    assert_page_follows(page.read_text(), {"scratch": ours, "pytorch": theirs})
    with pytest.raises(UserError, match="is already published"):
        publish_scratch.publish(results, results / "pytorch", results)
    assert publish_scratch.page(publish_scratch.pair(results, results / "pytorch")) == page.read_text()


def test_runs_that_do_not_match_are_refused(tmp_path: Path) -> None:
    theirs = run_of("pytorch", tmp_path / "theirs")
    for ours, message in (
        (run_of("pytorch", tmp_path / "a"), "a was trained by engine.kind=pytorch, not scratch"),
        (run_of("scratch", tmp_path / "b", seed=3), "differ in seed: 3 and 0"),
        (run_of("scratch", tmp_path / "c", finished=False), "c is not finished; `treehead resume"),
    ):
        with pytest.raises(UserError, match=message):
            publish_scratch.publish(ours, theirs, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_published_page_follows_from_its_files() -> None:
    ours = RESULTS / "scratch"
    assert_page_follows((ours / "README.md").read_text(), {"scratch": ours, "pytorch": ours / "pytorch"})
