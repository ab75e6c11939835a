"""Run a treehead command inside the process of the test, without the seconds in which a new one imports torch."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from treehead import cli


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command that has ended leaves, with the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str, folder: Path, **environment: str) -> Finished:
    """Run `treehead arguments` in `folder`, with these changes of the environment.

    Conventions: the current folder, environment and warning filters are restored. Warnings are printed as by a
    process, not raised as in a test.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, {"COLUMNS": "120", **environment}),
        mock.patch.object(sys, "argv", ["treehead", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _printed_warnings(),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code
    if not isinstance(code, int | None):
        raise TypeError(f"the exit code is {code!r}")
    return Finished(code or 0, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # pyright: ignore[reportAttributeAccessIssue]


@contextlib.contextmanager
def _printed_warnings() -> Iterator[None]:
    """Let warnings be written to sys.stderr, as outside of pytest."""

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
        print(warnings.formatwarning(message, category, filename, lineno), end="", file=sys.stderr)

    with (
        warnings.catch_warnings(),
        mock.patch.object(warnings, "showwarning", show),
        mock.patch.object(warnings, "formatwarning", warnings.formatwarning),
    ):
        warnings.simplefilter("default")
        yield
