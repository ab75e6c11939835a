"""Sharpness-aware minimisation (SAM): the gradient of a step is taken at perturbed weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from treehead.engines.scratch.layer import Param

TINY = 1e-12
"""Added to the norm that is divided by: where every gradient is 0, no weight is perturbed."""


@contextmanager
def sam_perturbation(params: dict[str, Param], radius: float) -> Iterator[None]:
    """Perturb every kernel along its gradient, in proportion to its own norm; on exit, restore it exactly.

        value_l += radius * ||value_l||^2 * grad_l / sqrt(sum_m ||value_m||^2 * ||grad_m||^2)

    Conventions: kernels l, m are the parameters of two axes and more; norms are Frobenius. `radius` is the length of
        the whole perturbation, each kernel's part measured in units of its own norm.
    Source: Foret et al. 2021, arXiv:2010.01412, eq. 2; scaled by the norm of each kernel as in Kwon et al. 2021,
        arXiv:2102.11600, eq. 3, with one factor per layer.
    """
    kernels = [param for param in params.values() if param.value.ndim > 1]
    unperturbed = [kernel.value.copy(order="K") for kernel in kernels]
    value_norms = np.array([np.linalg.norm(kernel.value) for kernel in kernels], np.float64)
    grad_norms = np.array([np.linalg.norm(kernel.grad) for kernel in kernels], np.float64)
    scales = radius * value_norms**2 / (np.linalg.norm(value_norms * grad_norms) + TINY)
    for kernel, scale in zip(kernels, scales.tolist(), strict=True):
        kernel.value += scale * kernel.grad
    try:
        yield
    finally:
        for kernel, value in zip(kernels, unperturbed, strict=True):
            kernel.value[...] = value
