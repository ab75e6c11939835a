"""Optional libraries: every extra of pyproject.toml is known, and a missing one is named with its `pip` line."""

import re
import tomllib
from pathlib import Path

import pytest

from treehead.extras import LIBRARIES, require
from treehead.types import UserError

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_extras_are_those_of_pyproject() -> None:
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    expected = {
        (re.split("[><=]", requirement)[0], name)
        for name, requirements in extras.items()
        if name not in ("all", "dev", "docs")
        for requirement in requirements
    }
    assert {(library.package, library.extra) for library in LIBRARIES.values()} == expected


@pytest.mark.parametrize("module", LIBRARIES)
def test_a_missing_library_is_named_with_its_pip_line(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treehead.extras.find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        require(module)
    library = LIBRARIES[module]
    assert str(caught.value) == f"{library.purpose} needs {library.package}: pip install 'treehead[{library.extra}]'"


def test_all_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treehead.extras.find_spec", lambda name: None if name != "fastapi" else True)
    with pytest.raises(UserError, match="treehead serve needs uvicorn, python-multipart: pip install"):
        require("fastapi", "uvicorn", "python_multipart")


def test_an_installed_library_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treehead.extras.find_spec", lambda name: True)
    require(*LIBRARIES)
