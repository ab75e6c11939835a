"""Hot loops that exist twice: as NumPy functions and as compiled kernels.

A hot loop is written in NumPy beside its layer, which is the version to read, and for Numba in `compiled/`. The
compiled kernel runs if Numba is installed, unless Numba's own variable NUMBA_DISABLE_JIT is 1; otherwise the NumPy
function runs.
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

COMPILED = find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
"""Whether the compiled kernels run."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The two versions of one hot loop; both write into their last arrays."""

    plain: Callable[..., Any]
    compiled: Callable[..., Any] | None


KERNELS: dict[str, Kernel] = {}
"""Every kernel by the name of its function, for the test that compares the two versions."""


def compiled_in(module: str) -> Callable[[Function], Function]:
    """Run the function of the same name in `compiled/<module>.py` instead of the decorated NumPy function."""

    def choose(plain: Function) -> Function:
        compiled: Any = None
        if COMPILED:
            compiled = getattr(importlib.import_module(f"treehead.engines.scratch.compiled.{module}"), plain.__name__)
        KERNELS[plain.__name__] = Kernel(plain, compiled)
        return compiled or plain

    return choose
