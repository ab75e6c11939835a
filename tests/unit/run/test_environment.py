"""What a run says of where it ran."""

from importlib.metadata import version

import pytest

from treehead.run import environment


def test_the_versions_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.describe_environment(None)["versions"]["numba"] == version("numba")
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "a-package-nobody-has"))
    assert environment.describe_environment(None)["versions"].keys() == {"python", "numpy"}
