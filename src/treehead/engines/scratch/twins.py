"""Plain functions and their compiled twins.

A hot loop is written twice: in NumPy beside its layer, which is what one reads, and for Numba in `compiled/`. Where
Numba is, the compiled one runs; NUMBA_DISABLE_JIT=1, Numba's own word, and a Python without Numba run the plain one.
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

COMPILED = find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
"""Whether the compiled twins run."""


@dataclass(frozen=True, slots=True)
class Twins:
    """One function, written twice; both write into their last arrays."""

    plain: Callable[..., Any]
    compiled: Callable[..., Any] | None


TWINS: dict[str, Twins] = {}
"""Every pair by the name of its function, for the test that holds them against each other."""


def compiled_in(module: str) -> Callable[[Function], Function]:
    """Let the function of the same name in `compiled/<module>.py` run in place of the plain one below."""

    def choose(plain: Function) -> Function:
        fast: Any = None
        if COMPILED:
            fast = getattr(importlib.import_module(f"treehead.engines.scratch.compiled.{module}"), plain.__name__)
        TWINS[plain.__name__] = Twins(plain, fast)
        return fast or plain

    return choose
