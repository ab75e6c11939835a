"""Pooling a pixel's channels at a time."""

from treehead.engines.scratch.compiled.jit import kernel
from treehead.types import Array


@kernel
def largest(x: Array, size: int, y: Array, place: Array) -> None:
    num, down, across, channels = y.shape
    for n in range(num):
        for p in range(down):
            for q in range(across):
                best, where, first = y[n, p, q], place[n, p, q], x[n, p * size, q * size]
                for c in range(channels):
                    best[c] = first[c]
                    where[c] = 0
                for k in range(1, size * size):
                    other = x[n, p * size + k // size, q * size + k % size]
                    for c in range(channels):
                        larger = other[c] > best[c]
                        best[c] = other[c] if larger else best[c]
                        where[c] = k if larger else where[c]


@kernel
def spread_to_largest(dy: Array, place: Array, size: int, dx: Array) -> None:
    num, down, across, channels = dy.shape
    _, height, width, _ = dx.shape
    if height % size or width % size:
        dx[:] = 0
    for n in range(num):
        for p in range(down):
            for q in range(across):
                gradient, where = dy[n, p, q], place[n, p, q]
                for k in range(size * size):
                    target = dx[n, p * size + k // size, q * size + k % size]
                    for c in range(channels):
                        target[c] = gradient[c] if where[c] == k else 0
