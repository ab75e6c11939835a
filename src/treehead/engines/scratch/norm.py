"""Batch normalisation, with the activation and the residual sum that follow it.

M values of a channel: every pixel of every image of the batch.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from treehead.engines.scratch.kernels import compiled_in
from treehead.engines.scratch.layer import Backward, Mode, Param
from treehead.types import Array

BackwardAdded: TypeAlias = Callable[[Array], tuple[Array, Array | None]]  # dy -> dx, daddend


class BatchNorm2d:
    """Normalise each channel over the batch and the image plane, then activate.

        x_hat = (x - mean) / sqrt(var + eps)
        z = weight * x_hat + bias + addend
        y = act(z)                                       act(z) = z if z > 0 else slope * z

    Backward, with mean and var as functions of x, and means over the M values of a channel:

        dz = dy * act'(z);  daddend = dz;  dbias = sum dz;  dweight = sum dz * x_hat
        dx = scale * (dz - mean(dz) - x_hat * mean(dz * x_hat)),  scale = weight / sqrt(var + eps)
           = scale * dz + along * x + constant

    Shapes:
        x, y, addend: (N, H, W, C); y has the dtype of x.
        weight, bias, running_mean, running_var: (C,).
    Conventions (those of torch.nn.BatchNorm2d, so weights move between engines unchanged):
        momentum weighs the NEW batch: running = (1 - momentum) * running + momentum * batch.
        The batch is normalised with the biased variance (divide by M); running_var keeps the unbiased one (M - 1).
        A slope of 1 means no activation; the addend is the other branch of a residual sum, or None. Both are part of
        this layer so that y is written, and dx computed, in one pass over memory.
    Raises: ValueError: training with M < 2.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1.
    """

    def __init__(
        self,
        num_channels: int,
        *,
        slope: float = 1.0,
        eps: float = 1e-5,
        momentum: float = 0.1,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        self.slope, self.eps, self.momentum = slope, eps, momentum
        self.weight = Param(np.ones(num_channels, dtype))
        self.bias = Param(np.zeros(num_channels, dtype))
        self.running_mean = np.zeros(num_channels, dtype)
        self.running_var = np.ones(num_channels, dtype)

    def params(self) -> dict[str, Param]:
        return {"weight": self.weight, "bias": self.bias}

    def buffers(self) -> dict[str, Array]:
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        y, backward = self.forward_added(x, None, mode)
        return y, lambda dy: backward(dy)[0]

    def forward_added(self, x: Array, addend: Array | None, mode: Mode) -> tuple[Array, BackwardAdded]:
        """As `forward`, with the addend; backward gives (dx, daddend), the latter None without an addend."""
        work, block = mode.work, _block(x)
        count = x.size // x.shape[-1]  # M = N*H*W
        if mode.training:
            if count < 2:
                raise ValueError("BatchNorm2d needs at least two values per channel to train")
            mean, var = self._statistics(x, mode)
        else:
            mean, var = self.running_mean.astype(np.float64), self.running_var.astype(np.float64)
        inv_std = 1 / np.sqrt(var + self.eps)
        scale = (self.weight.value * inv_std).astype(x.dtype)
        shift = (self.bias.value - mean * self.weight.value * inv_std).astype(x.dtype)
        centre, inv_std = mean.astype(x.dtype), inv_std.astype(x.dtype)
        slope = x.dtype.type(self.slope)
        y = work.empty(x.shape, x.dtype)

        def forward_block(start: int, stop: int) -> None:
            block_addend = None if addend is None else addend[start:stop]
            scale_shift_activate(x[start:stop], scale, shift, block_addend, slope, y[start:stop])

        def backward(dy: Array) -> tuple[Array, Array | None]:
            dx = work.empty(x.shape, x.dtype)
            daddend = None if addend is None else work.empty(x.shape, x.dtype)

            def sums_block(start: int, stop: int) -> Array:
                part = slice(start, stop)
                return gradient_sums(x[part], y[part], dy[part], centre, inv_std, slope)

            sum_dz, sum_dz_x_hat = np.sum(work.over_blocks(sums_block, len(x), block=block), axis=0)
            self.bias.grad[...], self.weight.grad[...] = sum_dz, sum_dz_x_hat
            share = 1 / count if mode.training else 0.0  # in inference mean and var do not depend on x
            mean_dz, mean_dz_x_hat = ((share * total).astype(x.dtype) for total in (sum_dz, sum_dz_x_hat))
            along = -scale * inv_std * mean_dz_x_hat
            coefficients = np.stack([scale, along, -scale * mean_dz - along * centre])

            def dx_block(start: int, stop: int) -> None:
                part = slice(start, stop)
                block_daddend = None if daddend is None else daddend[part]
                gradient_input(x[part], y[part], dy[part], coefficients, slope, dx[part], block_daddend)

            work.over_blocks(dx_block, len(x), block=block)
            return dx, daddend

        work.over_blocks(forward_block, len(x), block=block)
        return y, backward

    def _statistics(self, x: Array, mode: Mode) -> tuple[Array, Array]:
        """Mean and biased variance of the batch, float64; also updates the running statistics."""
        count = x.size // x.shape[-1]
        near = x[0, 0, 0].copy()  # differences from any value of the channel are small, so sums lose few digits

        def sums_block(start: int, stop: int) -> Array:
            return statistics_sums(x[start:stop], near)

        first, second = np.sum(mode.work.over_blocks(sums_block, len(x), block=_block(x)), axis=0) / count
        mean, var = near + first, np.maximum(second - first**2, 0)
        keep, new = (1.0, 0.0) if mode.keep_running else (1 - self.momentum, self.momentum)
        self.running_mean[...] = keep * self.running_mean + new * mean
        self.running_var[...] = keep * self.running_var + new * var * (count / (count - 1))
        return mean, var


def _block(x: Array) -> int:
    return max(1, 2**19 // x[0].nbytes)  # images of half a megabyte


@compiled_in("norm")
def statistics_sums(x: Array, near: Array) -> Array:
    """Sums of x - near and of its square. Shapes: x: (N, H, W, C); near: (C,); returns (2, C) float64."""
    apart = (x - near).astype(np.float64).reshape(-1, x.shape[-1])
    return np.stack([apart.sum(axis=0), (apart * apart).sum(axis=0)])


@compiled_in("norm")
def scale_shift_activate(x: Array, scale: Array, shift: Array, addend: Array | None, slope: float, y: Array) -> None:
    """y = act(x * scale + shift + addend). Shapes: x, addend, y: (N, H, W, C); scale, shift: (C,)."""
    z = x * scale + shift
    if addend is not None:
        z += addend
    y[...] = np.where(z > 0, z, slope * z)


@compiled_in("norm")
def gradient_sums(x: Array, y: Array, dy: Array, mean: Array, inv_std: Array, slope: float) -> Array:
    """Sums of dz and of dz * x_hat, with dz = dy * act'; y > 0 exactly where z > 0, so z need not be kept.

    Shapes: x, y, dy: (N, H, W, C); mean, inv_std: (C,); returns (2, C) float64.
    """
    dz = np.where(y > 0, dy, slope * dy)
    x_hat = (x - mean) * inv_std
    channels = x.shape[-1]
    both = dz.reshape(-1, channels), (dz * x_hat).reshape(-1, channels)
    return np.stack([part.sum(axis=0, dtype=np.float64) for part in both])


@compiled_in("norm")
def gradient_input(
    x: Array, y: Array, dy: Array, coefficients: Array, slope: float, dx: Array, daddend: Array | None
) -> None:
    """dx = scale * dz + along * x + constant, daddend = dz, with dz = dy * act'.

    Shapes: x, y, dy, dx, daddend: (N, H, W, C); coefficients: (3, C), scale, along and constant.
    """
    scale, along, constant = coefficients
    dz = np.where(y > 0, dy, slope * dy)
    dx[...] = scale * dz + along * x + constant
    if daddend is not None:
        daddend[...] = dz
