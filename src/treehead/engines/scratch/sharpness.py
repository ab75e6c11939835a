"""Sharpness-aware steps: the gradient is taken where the loss is worst nearby, so that flat valleys win."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from treehead.engines.scratch.layer import Param

TINY = 1e-12
"""Added to the norm that is divided by: where every gradient is 0, nothing moves."""


@contextmanager
def uphill(params: dict[str, Param], radius: float) -> Iterator[None]:
    """Move every kernel up its gradient, in proportion to its own norm; at the end, exactly back.

        value_l += radius * ||value_l||^2 * grad_l / sqrt(sum_m ||value_m||^2 * ||grad_m||^2)

    Conventions: kernels l, m are the parameters of two axes and more; norms are Frobenius. `radius` is the length of
        the whole move, each kernel's share measured in its own norm.
    Source: Foret et al. 2021, arXiv:2010.01412, eq. 2; measured in the norm of each kernel as in Kwon et al. 2021,
        arXiv:2102.11600, eq. 3, with one factor per layer.
    """
    kernels = [param for param in params.values() if param.value.ndim > 1]
    here = [kernel.value.copy(order="K") for kernel in kernels]
    sizes = np.array([np.linalg.norm(kernel.value) for kernel in kernels], np.float64)
    slopes = np.array([np.linalg.norm(kernel.grad) for kernel in kernels], np.float64)
    shares = radius * sizes**2 / (np.linalg.norm(sizes * slopes) + TINY)
    for kernel, share in zip(kernels, shares.tolist(), strict=True):
        kernel.value += share * kernel.grad
    try:
        yield
    finally:
        for kernel, value in zip(kernels, here, strict=True):
            kernel.value[...] = value
