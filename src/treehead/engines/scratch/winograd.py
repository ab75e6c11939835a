"""3x3 convolution at stride 1 by Winograd's minimal filtering: a quarter of the multiplications.

N images, H W image, C in, K out; T tiles of 4x4 outputs, computed from 6x6 inputs; p the 36 positions in a tile.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from treehead.engines.scratch.convolution import Conv2d
from treehead.engines.scratch.kernels import compiled_in
from treehead.engines.scratch.layer import Backward, Mode, Param
from treehead.types import Array

INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
"""B^T, G and A^T of F(4x4, 3x3)."""


class WinogradConv2d:
    """Cross-correlate with a 3x3 kernel, padded by 1; the same answer as `Conv2d`.

        v = INPUT d INPUT^T             of every 6x6 tile d of x, a tile every 4 pixels
        u = KERNEL g KERNEL^T           of every 3x3 kernel g
        m[p] = v[p] @ u[p]              36 products over the channels
        y = OUTPUT m OUTPUT^T           a 4x4 tile of y

    Each of these is linear, so backward is their transposes in reverse order.

    Shapes: x: (N, H, W, C); y: (N, H, W, K); weight: (K, C, 3, 3); v: (36, T, C); u: (36, C, K); m: (36, T, K).
    Conventions: no bias; tiles beyond the edge of the image are padded with zeros and cropped. The rounding error is
        about ten times that of the direct sum. With `first`, dx is not needed: backward returns an empty array.
        Planes of up to 2x2 pixels, where tiles need no fewer multiplications, are computed by `Conv2d`.
    Source: Lavin & Gray 2016, arXiv:1509.09308, section 4.3.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, first: bool = False, dtype: type[np.floating] = np.float32
    ) -> None:
        memory = np.zeros((3, 3, in_channels, out_channels), dtype)
        self.weight = Param(memory.transpose(3, 2, 0, 1))  # indexed as OIHW, stored as HWIO: the order of the products
        self.first, self._direct = first, Conv2d(in_channels, out_channels, first=first, dtype=dtype)
        self._direct.weight = self.weight

    def params(self) -> dict[str, Param]:
        return {"weight": self.weight}

    def buffers(self) -> dict[str, Array]:
        return {}

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        num, height, width, _ = x.shape
        out_channels, in_channels = self.weight.value.shape[:2]
        tiles = -(-height // 4) * -(-width // 4)  # of an image
        if 9 * height * width <= 36 * tiles:
            return self._direct.forward(x, mode)
        work, empty = mode.work, mode.work.empty
        spread = np.kron(KERNEL, KERNEL).astype(x.dtype)  # (36, 9)
        u = (spread @ self.weight.value.transpose(2, 3, 1, 0).reshape(9, -1)).reshape(36, in_channels, out_channels)
        v = empty((36, num * tiles, in_channels), x.dtype)
        y = empty((num, height, width, out_channels), x.dtype)
        m = empty((36, num * tiles, out_channels), x.dtype)
        block = max(1, 256 // tiles)  # images whose tiles stay in cache between the transforms

        def forward_block(start: int, stop: int) -> None:
            block_tiles = slice(start * tiles, stop * tiles)
            transform_input(x, v, start, stop)
            np.matmul(v[:, block_tiles], u, out=m[:, block_tiles])
            transform_output(m, y, start, stop)

        def backward(dy: Array) -> Array:
            dm, du = m, empty(u.shape, x.dtype)  # dm reuses the memory of m
            dv, dx = (empty((0,) if self.first else like.shape, x.dtype) for like in (v, x))

            def backward_block(start: int, stop: int) -> None:
                block_tiles = slice(start * tiles, stop * tiles)
                transform_output_gradient(dy, dm, start, stop)
                if self.first:
                    return
                np.matmul(dm[:, block_tiles], u.swapaxes(1, 2), out=dv[:, block_tiles])
                transform_input_gradient(dv, dx, start, stop)

            def kernel_block(start: int, stop: int) -> None:
                np.matmul(v[start:stop].swapaxes(1, 2), dm[start:stop], out=du[start:stop])

            work.over_blocks(backward_block, num, block=block)
            work.over_blocks(kernel_block, 36, block=6)
            dweight = spread.T @ du.reshape(36, -1)
            self.weight.grad[...] = dweight.reshape(3, 3, in_channels, out_channels).transpose(3, 2, 0, 1)
            return dx

        work.over_blocks(forward_block, num, block=block)
        return y, backward


@compiled_in("winograd")
def transform_input(x: Array, v: Array, start: int, stop: int) -> None:
    """v = INPUT d INPUT^T of every tile d of images start..stop. Shapes: x: (N, H, W, C); v: (36, T, C), written."""
    _, height, width, channels = x.shape
    down, across = -(-height // 4), -(-width // 4)
    padded = np.zeros((stop - start, 4 * down + 2, 4 * across + 2, channels), x.dtype)
    padded[:, 1 : height + 1, 1 : width + 1] = x[start:stop]
    tiles = sliding_window_view(padded, (6, 6), axis=(1, 2))[:, ::4, ::4]  # (n, down, across, C, 6, 6)
    block = np.einsum("ai,bj,ntucij->abntuc", INPUT.astype(x.dtype), INPUT.astype(x.dtype), tiles, optimize=True)
    v[:, start * down * across : stop * down * across] = block.reshape(36, -1, channels)


@compiled_in("winograd")
def transform_input_gradient(dv: Array, dx: Array, start: int, stop: int) -> None:
    """dd = INPUT^T dv INPUT, summed where tiles overlap. Shapes: dv: (36, T, C); dx: (N, H, W, C), written."""
    _, height, width, channels = dx.shape
    down, across = -(-height // 4), -(-width // 4)
    block = dv[:, start * down * across : stop * down * across].reshape(6, 6, -1, down, across, channels)
    dtiles = np.einsum("ai,bj,abntuc->ntuijc", INPUT.astype(dx.dtype), INPUT.astype(dx.dtype), block, optimize=True)
    padded = np.zeros((stop - start, 4 * down + 2, 4 * across + 2, channels), dx.dtype)
    for i in range(6):
        for j in range(6):
            padded[:, i : i + 4 * down : 4, j : j + 4 * across : 4][:, :down, :across] += dtiles[:, :, :, i, j]
    dx[start:stop] = padded[:, 1 : height + 1, 1 : width + 1]


@compiled_in("winograd")
def transform_output(m: Array, y: Array, start: int, stop: int) -> None:
    """y = OUTPUT m OUTPUT^T of images start..stop. Shapes: m: (36, T, K); y: (N, H, W, K), written."""
    _, height, width, channels = y.shape
    down, across = -(-height // 4), -(-width // 4)
    block = m[:, start * down * across : stop * down * across].reshape(6, 6, -1, down, across, channels)
    tiles = np.einsum("ia,jb,abntuc->ntiujc", OUTPUT.astype(y.dtype), OUTPUT.astype(y.dtype), block, optimize=True)
    y[start:stop] = tiles.reshape(-1, 4 * down, 4 * across, channels)[:, :height, :width]


@compiled_in("winograd")
def transform_output_gradient(dy: Array, dm: Array, start: int, stop: int) -> None:
    """dm = OUTPUT^T dy OUTPUT of images start..stop. Shapes: dy: (N, H, W, K); dm: (36, T, K), written."""
    _, height, width, channels = dy.shape
    down, across = -(-height // 4), -(-width // 4)
    padded = np.zeros((stop - start, 4 * down, 4 * across, channels), dy.dtype)
    padded[:, :height, :width] = dy[start:stop]
    dtiles = padded.reshape(-1, down, 4, across, 4, channels)
    block = np.einsum("ia,jb,ntiujc->abntuc", OUTPUT.astype(dy.dtype), OUTPUT.astype(dy.dtype), dtiles, optimize=True)
    dm[:, start * down * across : stop * down * across] = block.reshape(36, -1, channels)
