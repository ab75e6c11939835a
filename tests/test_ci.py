"""The checks stand in four places, as each needs them; they are the same checks."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKS = ("ruff format --check .", "ruff check .", "pyright", "lint-imports")
QUICK_TESTS = 'pytest -n 2 --dist worksteal -m "not slow and not browser"'


def text_of(name: str) -> str:
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not part of this distribution")
    return path.read_text(encoding="utf-8")


def test_every_place_runs_the_same_checks() -> None:
    makefile = text_of("Makefile").replace("$(BIN)/", "").replace("$(PYTEST)", "pytest -n 2 --dist worksteal")
    hooks = text_of(".pre-commit-config.yaml").replace(".venv/bin/", "")
    workflow = text_of(".github/workflows/checks.yml")
    for place in (makefile, hooks, workflow):
        for check in (*CHECKS, QUICK_TESTS):
            assert check in place, check


def test_continuous_integration_runs_everything() -> None:
    steps = re.findall(r"^make (\w+)$", text_of(".ci/run"), re.MULTILINE)
    assert steps == ["lint", "docs", "test"]
    assert re.findall(r"run: make (\w+)$", text_of(".github/workflows/checks.yml"), re.MULTILINE) == steps


def test_the_workflow_covers_every_supported_system_and_python() -> None:
    workflow, project = text_of(".github/workflows/checks.yml"), text_of("pyproject.toml")
    versions = re.findall(r"Python :: (3\.\d+)", project)
    assert versions == re.findall(r'"(3\.\d+)"', workflow.partition("python: [")[2].partition("]")[0])
    assert all(system in workflow for system in ("ubuntu-latest", "macos-latest", "windows-latest"))
