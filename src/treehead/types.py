"""Names of arrays that all packages share, and the two errors that a command can end with."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""Any NumPy array; its shape and dtype are in the docstring of the function that takes or returns it."""

Weights: TypeAlias = dict[str, Array]
"""Parameters and buffers by their dotted name, e.g. `heads.fine.weight`."""

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Called during long work with (done, total): bytes or items; total is None where it is not known."""


class Note(UserWarning):
    """Information that is no problem: the command line prints it among its results."""


class UserError(ValueError):
    """The request cannot be carried out as given. The message says why, and what to do; exit code 2."""


class UserErrors(UserError):
    """Several mistakes at once: the message has the first, `problems` all of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - 1
        others = f"; and {more:,} more, which `treehead data check` lists" if more else ""
        super().__init__(f"{problems[0]}{others}")
        self.problems = tuple(problems)


class RunError(RuntimeError):
    """A valid request failed while running. The message says what to do next; exit code 1."""
