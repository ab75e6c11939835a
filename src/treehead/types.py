"""Ground floor: the names of arrays that every room shares, and the two ways a command can fail."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""Any NumPy array; its shape and dtype stand in the docstring that takes or gives it."""

Weights: TypeAlias = dict[str, Array]
"""Parameters and buffers by their dotted name, e.g. `heads.fine.weight`."""

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Called during long work with (done, total): bytes or items; total is None where it is not known."""


class Note(UserWarning):
    """Worth knowing, and no fault: the command line prints it among its results."""


class UserError(ValueError):
    """What was asked cannot be done. The message names the offending thing and the way out; exit code 2."""


class UserErrors(UserError):
    """Several mistakes at once: the message has the first, `problems` all of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - 1
        others = f"; and {more:,} more, which `treehead data check` lists" if more else ""
        super().__init__(f"{problems[0]}{others}")
        self.problems = tuple(problems)


class RunError(RuntimeError):
    """What was asked was sound and failed while running. The message says what to do next; exit code 1."""
