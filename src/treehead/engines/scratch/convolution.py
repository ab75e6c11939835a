"""Convolution as one matrix product over unrolled patches.

N images, H W input, P Q output, R S kernel, C in, K out.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from treehead.engines.scratch.kernels import compiled_in
from treehead.engines.scratch.layer import Backward, Mode, Param
from treehead.types import Array

BLOCK_BYTES = 2**20  # of patches, so that they are in cache when the product reads them


class Conv2d:
    """Cross-correlate with a kernel; zeros around the image.

        y[n,p,q,k] = sum_rsc x[n, p*stride + r - padding, q*stride + s - padding, c] * weight[k,c,r,s]

    With the patch of every output pixel as a row of cols (NPQ, RSC), and weight as a matrix (RSC, K):

        y = cols @ weight
        dweight = cols.T @ dy;  dcols = dy @ weight.T;  dx = dcols, summed over overlapping patches

    Shapes: x: (N, H, W, C); y: (N, P, Q, K), P = (H + 2*padding - R) // stride + 1; weight: (K, C, R, S), R = S.
    Conventions: no bias; padding = R // 2 of an odd kernel, 0 of an even one; the kernel is not flipped (as
        torch.nn.Conv2d). Blocks of images are unrolled at a time, and again in backward, which costs less than storing
        R*S copies of x. With `first`, dx is not needed: backward returns an empty array. A frozen kernel is a buffer
        and has no gradient.
    Source: Chellapilla, Puri & Simard 2006, "High performance convolutional neural networks for document processing".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        first: bool = False,
        frozen: bool = False,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        memory = np.zeros((kernel_size, kernel_size, in_channels, out_channels), dtype)
        self.weight = Param(memory.transpose(3, 2, 0, 1))  # indexed as OIHW, stored as HWIO: the order of the patches
        self.stride, self.first, self.frozen = stride, first, frozen

    def params(self) -> dict[str, Param]:
        return {} if self.frozen else {"weight": self.weight}

    def buffers(self) -> dict[str, Array]:
        return {"weight": self.weight.value} if self.frozen else {}

    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]:
        num, height, width, in_channels = x.shape
        out_channels, _, size, _ = self.weight.value.shape
        down, across = ((side + 2 * _padding(size) - size) // self.stride + 1 for side in (height, width))
        weight = self.weight.value.transpose(2, 3, 1, 0).reshape(-1, out_channels)  # (RSC, K)
        y = mode.work.empty((num, down, across, out_channels), x.dtype)
        block = max(1, BLOCK_BYTES // (down * across * weight.shape[0] * x.itemsize))

        def patches(start: int, stop: int) -> Array:
            cols = np.empty((stop - start, down, across, size, size, in_channels), x.dtype)
            unroll(x[start:stop], cols, self.stride)
            return cols.reshape(-1, weight.shape[0])

        def forward_block(start: int, stop: int) -> None:
            np.matmul(patches(start, stop), weight, out=y[start:stop].reshape(-1, out_channels))

        def backward(dy: Array) -> Array:
            dx = np.empty(0, x.dtype) if self.first else mode.work.empty(x.shape, x.dtype)

            def backward_block(start: int, stop: int) -> Array | None:
                block_dy = dy[start:stop].reshape(-1, out_channels)
                if not self.first:
                    dcols = (block_dy @ weight.T).reshape(stop - start, down, across, size, size, in_channels)
                    roll_up(dcols, dx[start:stop], self.stride)
                return None if self.frozen else patches(start, stop).T @ block_dy

            parts = mode.work.over_blocks(backward_block, num, block=block)
            if not self.frozen:
                dweight = np.sum(parts, axis=0).reshape(size, size, in_channels, out_channels)
                self.weight.grad[...] = dweight.transpose(3, 2, 0, 1)
            return dx

        mode.work.over_blocks(forward_block, num, block=block)
        return y, backward


def _padding(size: int) -> int:
    """Zeros around the image for a kernel of this size."""
    return size // 2 if size % 2 else 0


@compiled_in("convolution")
def unroll(x: Array, cols: Array, stride: int) -> None:
    """Copy the patch of every output pixel. Shapes: x: (N, H, W, C); cols: (N, P, Q, R, S, C), written."""
    size = cols.shape[3]
    around = _padding(size)
    padded = np.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
    windows = sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]  # (N, P, Q, C, R, S)
    cols[...] = windows.transpose(0, 1, 2, 4, 5, 3)


@compiled_in("convolution")
def roll_up(dcols: Array, dx: Array, stride: int) -> None:
    """The transpose of `unroll`. Shapes: dcols: (N, P, Q, R, S, C); dx: (N, H, W, C), written."""
    num, down, across, size, _, channels = dcols.shape
    around, (_, height, width, _) = _padding(size), dx.shape
    padded = np.zeros((num, height + 2 * around, width + 2 * around, channels), dx.dtype)
    for r in range(size):
        for s in range(size):
            padded[:, r : r + stride * down : stride, s : s + stride * across : stride] += dcols[:, :, :, r, s]
    dx[...] = padded[:, around : around + height, around : around + width]
