"""Winograd transforms of blocks of images, 16 channels at a time, which is a vector register of float32."""

import numpy as np

from treehead.engines.scratch.compiled.jit import kernel
from treehead.types import Array

LANES = 16


@kernel
def transform_input(x: Array, v: Array, start: int, stop: int) -> None:
    _, height, width, channels = x.shape
    tiles_down, tiles_across = (height + 3) // 4, (width + 3) // 4
    tile, half = np.zeros((36, LANES), x.dtype), np.zeros((36, LANES), x.dtype)
    two, four, five = x.dtype.type(2), x.dtype.type(4), x.dtype.type(5)
    for t in range(start * tiles_down * tiles_across, stop * tiles_down * tiles_across):
        n, place = t // (tiles_down * tiles_across), t % (tiles_down * tiles_across)
        top, left = 4 * (place // tiles_across) - 1, 4 * (place % tiles_across) - 1
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            for i in range(6):
                for j in range(6):
                    if 0 <= top + i < height and 0 <= left + j < width:
                        source = x[n, top + i, left + j, c : c + lanes]
                        for k in range(lanes):
                            tile[6 * i + j, k] = source[k]
                    else:
                        for k in range(lanes):
                            tile[6 * i + j, k] = 0
            for j in range(6):
                for k in range(LANES):
                    a0, a1, a2 = tile[j, k], tile[6 + j, k], tile[12 + j, k]
                    a3, a4, a5 = tile[18 + j, k], tile[24 + j, k], tile[30 + j, k]
                    half[j, k] = four * a0 - five * a2 + a4
                    half[6 + j, k] = (a4 - four * a2) + (a3 - four * a1)
                    half[12 + j, k] = (a4 - four * a2) - (a3 - four * a1)
                    half[18 + j, k] = (a4 - a2) + two * (a3 - a1)
                    half[24 + j, k] = (a4 - a2) - two * (a3 - a1)
                    half[30 + j, k] = four * a1 - five * a3 + a5
            for i in range(0, 36, 6):
                for k in range(LANES):
                    a0, a1, a2 = half[i, k], half[i + 1, k], half[i + 2, k]
                    a3, a4, a5 = half[i + 3, k], half[i + 4, k], half[i + 5, k]
                    tile[i, k] = four * a0 - five * a2 + a4
                    tile[i + 1, k] = (a4 - four * a2) + (a3 - four * a1)
                    tile[i + 2, k] = (a4 - four * a2) - (a3 - four * a1)
                    tile[i + 3, k] = (a4 - a2) + two * (a3 - a1)
                    tile[i + 4, k] = (a4 - a2) - two * (a3 - a1)
                    tile[i + 5, k] = four * a1 - five * a3 + a5
            for p in range(36):
                target = v[p, t, c : c + lanes]
                for k in range(lanes):
                    target[k] = tile[p, k]


@kernel
def transform_input_gradient(dv: Array, dx: Array, start: int, stop: int) -> None:
    _, height, width, channels = dx.shape
    tiles_down, tiles_across = (height + 3) // 4, (width + 3) // 4
    tile, half = np.zeros((36, LANES), dx.dtype), np.zeros((36, LANES), dx.dtype)
    two, four, five = dx.dtype.type(2), dx.dtype.type(4), dx.dtype.type(5)
    dx[start:stop] = 0
    for t in range(start * tiles_down * tiles_across, stop * tiles_down * tiles_across):
        n, place = t // (tiles_down * tiles_across), t % (tiles_down * tiles_across)
        top, left = 4 * (place // tiles_across) - 1, 4 * (place % tiles_across) - 1
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            for p in range(36):
                source = dv[p, t, c : c + lanes]
                for k in range(lanes):
                    tile[p, k] = source[k]
            for j in range(6):
                for k in range(LANES):
                    a0, a1, a2 = tile[j, k], tile[6 + j, k], tile[12 + j, k]
                    a3, a4, a5 = tile[18 + j, k], tile[24 + j, k], tile[30 + j, k]
                    half[j, k] = four * a0
                    half[6 + j, k] = four * (a2 - a1 + a5) + two * (a4 - a3)
                    half[12 + j, k] = -five * a0 - four * (a1 + a2) - (a3 + a4)
                    half[18 + j, k] = a1 - a2 + two * (a3 - a4) - five * a5
                    half[24 + j, k] = a0 + a1 + a2 + a3 + a4
                    half[30 + j, k] = a5
            for i in range(0, 36, 6):
                for k in range(LANES):
                    a0, a1, a2 = half[i, k], half[i + 1, k], half[i + 2, k]
                    a3, a4, a5 = half[i + 3, k], half[i + 4, k], half[i + 5, k]
                    tile[i, k] = four * a0
                    tile[i + 1, k] = four * (a2 - a1 + a5) + two * (a4 - a3)
                    tile[i + 2, k] = -five * a0 - four * (a1 + a2) - (a3 + a4)
                    tile[i + 3, k] = a1 - a2 + two * (a3 - a4) - five * a5
                    tile[i + 4, k] = a0 + a1 + a2 + a3 + a4
                    tile[i + 5, k] = a5
            for i in range(6):
                for j in range(6):
                    if 0 <= top + i < height and 0 <= left + j < width:
                        target = dx[n, top + i, left + j, c : c + lanes]
                        for k in range(lanes):
                            target[k] += tile[6 * i + j, k]


@kernel
def transform_output(m: Array, y: Array, start: int, stop: int) -> None:
    _, height, width, channels = y.shape
    tiles_down, tiles_across = (height + 3) // 4, (width + 3) // 4
    tile, half = np.zeros((36, LANES), y.dtype), np.zeros((24, LANES), y.dtype)
    two, four, eight = y.dtype.type(2), y.dtype.type(4), y.dtype.type(8)
    for t in range(start * tiles_down * tiles_across, stop * tiles_down * tiles_across):
        n, place = t // (tiles_down * tiles_across), t % (tiles_down * tiles_across)
        top, left = 4 * (place // tiles_across), 4 * (place % tiles_across)
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            for p in range(36):
                source = m[p, t, c : c + lanes]
                for k in range(lanes):
                    tile[p, k] = source[k]
            for j in range(6):
                for k in range(LANES):
                    a0, a1, a2 = tile[j, k], tile[6 + j, k], tile[12 + j, k]
                    a3, a4, a5 = tile[18 + j, k], tile[24 + j, k], tile[30 + j, k]
                    half[j, k] = a0 + (a1 + a2) + (a3 + a4)
                    half[6 + j, k] = (a1 - a2) + two * (a3 - a4)
                    half[12 + j, k] = (a1 + a2) + four * (a3 + a4)
                    half[18 + j, k] = (a1 - a2) + eight * (a3 - a4) + a5
            for i in range(4):
                for k in range(LANES):
                    a0, a1, a2 = half[6 * i, k], half[6 * i + 1, k], half[6 * i + 2, k]
                    a3, a4, a5 = half[6 * i + 3, k], half[6 * i + 4, k], half[6 * i + 5, k]
                    tile[4 * i, k] = a0 + (a1 + a2) + (a3 + a4)
                    tile[4 * i + 1, k] = (a1 - a2) + two * (a3 - a4)
                    tile[4 * i + 2, k] = (a1 + a2) + four * (a3 + a4)
                    tile[4 * i + 3, k] = (a1 - a2) + eight * (a3 - a4) + a5
            for i in range(min(4, height - top)):
                for j in range(min(4, width - left)):
                    target = y[n, top + i, left + j, c : c + lanes]
                    for k in range(lanes):
                        target[k] = tile[4 * i + j, k]


@kernel
def transform_output_gradient(dy: Array, dm: Array, start: int, stop: int) -> None:
    _, height, width, channels = dy.shape
    tiles_down, tiles_across = (height + 3) // 4, (width + 3) // 4
    tile, half = np.zeros((36, LANES), dy.dtype), np.zeros((24, LANES), dy.dtype)
    two, four, eight = dy.dtype.type(2), dy.dtype.type(4), dy.dtype.type(8)
    for t in range(start * tiles_down * tiles_across, stop * tiles_down * tiles_across):
        n, place = t // (tiles_down * tiles_across), t % (tiles_down * tiles_across)
        top, left = 4 * (place // tiles_across), 4 * (place % tiles_across)
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            for i in range(4):
                for j in range(4):
                    if top + i < height and left + j < width:
                        source = dy[n, top + i, left + j, c : c + lanes]
                        for k in range(lanes):
                            tile[4 * i + j, k] = source[k]
                    else:
                        for k in range(lanes):
                            tile[4 * i + j, k] = 0
            for i in range(4):
                for k in range(LANES):
                    a0, a1, a2, a3 = tile[4 * i, k], tile[4 * i + 1, k], tile[4 * i + 2, k], tile[4 * i + 3, k]
                    half[6 * i, k] = a0
                    half[6 * i + 1, k] = (a0 + a2) + (a1 + a3)
                    half[6 * i + 2, k] = (a0 + a2) - (a1 + a3)
                    half[6 * i + 3, k] = (a0 + four * a2) + (two * a1 + eight * a3)
                    half[6 * i + 4, k] = (a0 + four * a2) - (two * a1 + eight * a3)
                    half[6 * i + 5, k] = a3
            for j in range(6):
                for k in range(LANES):
                    a0, a1, a2, a3 = half[j, k], half[6 + j, k], half[12 + j, k], half[18 + j, k]
                    tile[j, k] = a0
                    tile[6 + j, k] = (a0 + a2) + (a1 + a3)
                    tile[12 + j, k] = (a0 + a2) - (a1 + a3)
                    tile[18 + j, k] = (a0 + four * a2) + (two * a1 + eight * a3)
                    tile[24 + j, k] = (a0 + four * a2) - (two * a1 + eight * a3)
                    tile[30 + j, k] = a3
            for p in range(36):
                target = dm[p, t, c : c + lanes]
                for k in range(lanes):
                    target[k] = tile[p, k]
