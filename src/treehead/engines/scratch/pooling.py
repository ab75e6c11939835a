"""Pooling: the largest of each window, and the mean and the largest of the plane.

N images, H W input, P Q output, C channels.
"""

import numpy as np

from treehead.engines.scratch.kernels import compiled_in
from treehead.engines.scratch.layer import Backward, Mode, Plain
from treehead.types import Array


class MaxPool2d(Plain):
    """Largest of each kernel_size x kernel_size window, windows side by side; a remainder at the edge is cut.

        y[n,p,q,c] = max_rs x[n, p*kernel_size + r, q*kernel_size + s, c]
        dx = dy at the maximum of the window, 0 elsewhere

    Shapes: x: (N, H, W, C); y: (N, H // kernel_size, W // kernel_size, C).
    Conventions: of equal values the first in reading order is the maximum (as in PyTorch).
    """

    def __init__(self, kernel_size: int = 2) -> None:
        assert kernel_size < 16, "positions in a window are stored as bytes"
        self.kernel_size = kernel_size

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        num, height, width, channels = x.shape
        pooled = (num, height // self.kernel_size, width // self.kernel_size, channels)
        y = mode.work.empty(pooled, x.dtype)
        place = mode.work.empty(pooled, np.dtype(np.uint8))
        block = max(1, 2**19 // x[0].nbytes)

        def backward(dy: Array) -> Array:
            dx = mode.work.empty(x.shape, x.dtype)

            def backward_block(start: int, stop: int) -> None:
                part = slice(start, stop)
                spread_to_largest(dy[part], place[part], self.kernel_size, dx[part])

            mode.work.over_blocks(backward_block, num, block=block)
            return dx

        def forward_block(start: int, stop: int) -> None:
            part = slice(start, stop)
            largest(x[part], self.kernel_size, y[part], place[part])

        mode.work.over_blocks(forward_block, num, block=block)
        return y, backward


@compiled_in("pooling")
def largest(x: Array, size: int, y: Array, place: Array) -> None:
    """y = the maximum of each window; place = its position there. Shapes: x: (N, H, W, C); y, place: (N, P, Q, C)."""
    num, down, across, channels = y.shape
    whole = x[:, : down * size, : across * size].reshape(num, down, size, across, size, channels)
    windows = whole.swapaxes(2, 3).reshape(num, down, across, size * size, channels)
    place[...] = windows.argmax(axis=3)
    y[...] = windows.max(axis=3)


@compiled_in("pooling")
def spread_to_largest(dy: Array, place: Array, size: int, dx: Array) -> None:
    """dx = dy at each window's maximum, 0 elsewhere. Shapes: dy, place: (N, P, Q, C); dx: (N, H, W, C), written."""
    _, down, across, _ = dy.shape
    dx[...] = 0
    for r in range(size):
        for s in range(size):
            dx[:, r : down * size : size, s : across * size : size] = dy * (place == size * r + s)


class GlobalAvgPool(Plain):
    """Mean over the image plane.

        y[n,c] = mean_hw x[n,h,w,c];  dx[n,h,w,c] = dy[n,c] / (H * W)

    Shapes: x: (N, H, W, C); y: (N, C).
    Source: Lin, Chen & Yan 2014, arXiv:1312.4400, section 3.2.
    """

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        _, height, width, _ = x.shape

        def backward(dy: Array) -> Array:
            dx = mode.work.empty(x.shape, x.dtype)
            dx[...] = (dy / x.dtype.type(height * width))[:, None, None, :]
            return dx

        return x.mean(axis=(1, 2)), backward


class GlobalAvgMaxPool(Plain):
    """Mean over the image plane, then its maximum.

        y[n,c] = mean_hw x[n,h,w,c];  y[n,C+c] = max_hw x[n,h,w,c]
        dx[n,h,w,c] = dy[n,c] / (H * W), plus dy[n,C+c] at the maximum

    Shapes: x: (N, H, W, C); y: (N, 2 * C).
    Conventions: of equal values the first in reading order is the maximum (as in PyTorch).
    """

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        num, height, width, channels = x.shape
        plane = x.reshape(num, height * width, channels)
        place = plane.argmax(axis=1, keepdims=True)

        def backward(dy: Array) -> Array:
            dx = mode.work.empty(plane.shape, x.dtype)
            dx[...] = (dy[:, :channels] / x.dtype.type(height * width))[:, None, :]
            largest_dx = np.take_along_axis(dx, place, axis=1) + dy[:, None, channels:]
            np.put_along_axis(dx, place, largest_dx, axis=1)
            return dx.reshape(x.shape)

        return np.concatenate([plane.mean(axis=1), np.take_along_axis(plane, place, axis=1)[:, 0]], axis=1), backward
