"""Sharpness-aware minimisation (SAM): the gradient of a step is taken at perturbed weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

TINY = 1e-12
"""Added to the norm that is divided by: where every gradient is 0, no weight is perturbed."""


@contextmanager
def sam_perturbation(network: nn.Module, radius: float) -> Iterator[None]:
    """Perturb every kernel along its gradient, in proportion to its own norm; on exit, restore it exactly.

        value_l += radius * ||value_l||^2 * grad_l / sqrt(sum_m ||value_m||^2 * ||grad_m||^2)

    Conventions: kernels l, m are the parameters of two axes and more; norms are Frobenius. `radius` is the length of
        the whole perturbation, each kernel's part measured in units of its own norm. While it lasts, the running
        statistics of batch normalisation do not change.
    Source: Foret et al. 2021, arXiv:2010.01412, eq. 2; scaled by the norm of each kernel as in Kwon et al. 2021,
        arXiv:2102.11600, eq. 3, with one factor per layer.
    """
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1 and parameter.requires_grad]
    gradients = [kernel.grad for kernel in kernels if kernel.grad is not None]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    with torch.no_grad():
        unperturbed = [kernel.clone() for kernel in kernels]
        value_norms = torch.stack([kernel.norm() for kernel in kernels])
        length = (value_norms * torch.stack([gradient.norm() for gradient in gradients])).norm() + TINY
        for kernel, gradient, value_norm in zip(kernels, gradients, value_norms, strict=True):
            kernel.add_(gradient * (radius * value_norm**2 / length))
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        with torch.no_grad():
            for kernel, value in zip(kernels, unperturbed, strict=True):
                kernel.copy_(value)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
