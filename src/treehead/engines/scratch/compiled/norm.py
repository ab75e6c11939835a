"""Batch normalisation: two passes forward, two backward."""

import numpy as np

from treehead.engines.scratch.compiled.jit import kernel
from treehead.types import Array


@kernel
def statistics_sums(x: Array, near: Array) -> Array:
    num, height, width, channels = x.shape
    sums = np.zeros((2, channels))
    first, second = np.zeros(channels, x.dtype), np.zeros(channels, x.dtype)
    for n in range(num):
        for i in range(height):
            first[:] = 0
            second[:] = 0
            for j in range(width):
                source = x[n, i, j]
                for c in range(channels):
                    apart = source[c] - near[c]
                    first[c] += apart
                    second[c] += apart * apart
            for c in range(channels):  # long sums in float64
                sums[0, c] += first[c]
                sums[1, c] += second[c]
    return sums


@kernel
def scale_shift_activate(x: Array, scale: Array, shift: Array, addend: Array | None, slope: float, y: Array) -> None:
    num, height, width, channels = x.shape
    for n in range(num):
        for i in range(height):
            for j in range(width):
                source, target = x[n, i, j], y[n, i, j]
                if addend is None:
                    for c in range(channels):
                        z = source[c] * scale[c] + shift[c]
                        target[c] = z if z > 0 else slope * z
                else:
                    other = addend[n, i, j]
                    for c in range(channels):
                        z = source[c] * scale[c] + shift[c] + other[c]
                        target[c] = z if z > 0 else slope * z


@kernel
def gradient_sums(x: Array, y: Array, dy: Array, mean: Array, inv_std: Array, slope: float) -> Array:
    num, height, width, channels = x.shape
    sums = np.zeros((2, channels))
    first, second = np.zeros(channels, x.dtype), np.zeros(channels, x.dtype)
    for n in range(num):
        for i in range(height):
            first[:] = 0
            second[:] = 0
            for j in range(width):
                source, answer, gradient = x[n, i, j], y[n, i, j], dy[n, i, j]
                for c in range(channels):
                    dz = gradient[c] if answer[c] > 0 else slope * gradient[c]
                    first[c] += dz
                    second[c] += dz * ((source[c] - mean[c]) * inv_std[c])
            for c in range(channels):  # long sums in float64
                sums[0, c] += first[c]
                sums[1, c] += second[c]
    return sums


@kernel
def gradient_input(
    x: Array, y: Array, dy: Array, coefficients: Array, slope: float, dx: Array, daddend: Array | None
) -> None:
    num, height, width, channels = x.shape
    scale, along, constant = coefficients[0], coefficients[1], coefficients[2]
    for n in range(num):
        for i in range(height):
            for j in range(width):
                source, answer, gradient, target = x[n, i, j], y[n, i, j], dy[n, i, j], dx[n, i, j]
                if daddend is None:
                    for c in range(channels):
                        dz = gradient[c] if answer[c] > 0 else slope * gradient[c]
                        target[c] = scale[c] * dz + along[c] * source[c] + constant[c]
                else:
                    other = daddend[n, i, j]
                    for c in range(channels):
                        dz = gradient[c] if answer[c] > 0 else slope * gradient[c]
                        other[c] = dz
                        target[c] = scale[c] * dz + along[c] * source[c] + constant[c]
