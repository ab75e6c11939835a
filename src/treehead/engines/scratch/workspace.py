"""Threads over blocks of images, and memory that is reused by the next step."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from treehead.types import Array


class Workspace:
    """Threads and memory that the layers of one network share.

    Conventions: each of the workspace's threads uses one BLAS thread (`single_threaded_blas`). Kernels and NumPy's
        products release the GIL, so blocks of images run in parallel, and thread pools are not nested. With `reuse`,
        arrays are reused after `begin_step`: a step needs the same shapes as the one before it, and new memory costs
        a page fault every 4 kB.
    """

    def __init__(self, num_threads: int = 1, *, reuse: bool = False) -> None:
        self.num_threads, self.reuse = num_threads, reuse
        self._pool = ThreadPoolExecutor(num_threads - 1) if num_threads > 1 else None
        self._free: dict[int, list[Array]] = defaultdict(list)
        self._lent: list[Array] = []

    @cached_property
    def _libraries(self) -> ThreadpoolController:
        """The BLAS libraries, searched among all that the process has loaded: not for a workspace of one pass."""
        return ThreadpoolController()

    @contextmanager
    def single_threaded_blas(self) -> Iterator[None]:
        """One BLAS thread for each thread of the workspace."""
        with self._libraries.limit(limits=1, user_api="blas"):
            yield

    def begin_step(self) -> None:
        """Reclaim every array that `empty` returned."""
        for memory in self._lent:
            self._free[memory.nbytes].append(memory)
        self._lent.clear()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An uninitialised array, valid until the next `begin_step`."""
        if not self.reuse:
            return np.empty(shape, dtype)
        num_bytes = int(np.prod(shape)) * dtype.itemsize
        memory = self._free[num_bytes].pop() if self._free[num_bytes] else np.empty(num_bytes, np.uint8)
        self._lent.append(memory)
        return memory.view(dtype).reshape(shape)

    def over_blocks(self, function: Callable[[int, int], Any], num: int, *, block: int) -> list[Any]:
        """[function(start, stop), ...] over 0..num in blocks, on all threads; results in order."""
        bounds = [(start, min(start + block, num)) for start in range(0, num, block)]
        results: list[Any] = [None] * len(bounds)
        waiting = iter(enumerate(bounds))  # shared: next() is one step of the interpreter

        def run() -> None:
            for number, (start, stop) in waiting:
                results[number] = function(start, stop)

        helpers = [self._pool.submit(run) for _ in range(min(self.num_threads, len(bounds)) - 1)] if self._pool else []
        run()
        for helper in helpers:
            helper.result()
        return results
