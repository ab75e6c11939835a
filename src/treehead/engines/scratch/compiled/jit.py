"""How every kernel is compiled: without the GIL, so that threads run side by side, and cached on disk."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile `function` at its first call for each dtype. Sums may be reordered; NaN and infinity stay."""
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    try:
        return numba.njit(cache=True, **options)(function)  # pyright: ignore[reportReturnType]
    except RuntimeError:  # no writable cache folder
        return numba.njit(**options)(function)  # pyright: ignore[reportReturnType]
