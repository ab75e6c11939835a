"""Patches copied out of images and summed back."""

from treehead.engines.scratch.compiled.jit import kernel
from treehead.types import Array


@kernel
def unroll(x: Array, cols: Array, stride: int) -> None:
    num, height, width, channels = x.shape
    _, down, across, size, _, _ = cols.shape
    around = size // 2 if size % 2 else 0
    for n in range(num):
        for p in range(down):
            for q in range(across):
                for r in range(size):
                    i = p * stride + r - around
                    for s in range(size):
                        j = q * stride + s - around
                        target = cols[n, p, q, r, s]
                        if 0 <= i < height and 0 <= j < width:
                            source = x[n, i, j]
                            for c in range(channels):
                                target[c] = source[c]
                        else:
                            target[:] = 0


@kernel
def roll_up(dcols: Array, dx: Array, stride: int) -> None:
    _, height, width, channels = dx.shape
    num, down, across, size, _, _ = dcols.shape
    around = size // 2 if size % 2 else 0
    dx[:] = 0
    for n in range(num):
        for p in range(down):
            for q in range(across):
                for r in range(size):
                    i = p * stride + r - around
                    for s in range(size):
                        j = q * stride + s - around
                        if 0 <= i < height and 0 <= j < width:
                            source, target = dcols[n, p, q, r, s], dx[n, i, j]
                            for c in range(channels):
                                target[c] += source[c]
