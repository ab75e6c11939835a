"""A batch gathered from bytes, cropped, flipped and standardised on the way."""

from treehead.engines.scratch.compiled.jit import kernel
from treehead.types import Array


@kernel
def gather(pixels: Array, order: Array, rows: Array, columns: Array, scale: Array, shift: Array, batch: Array) -> None:
    num, height, width, channels = batch.shape
    for b in range(num):
        for i in range(height):
            for j in range(width):
                source, target = pixels[order[b], rows[b, i], columns[b, j]], batch[b, i, j]
                for c in range(channels):
                    target[c] = source[c] * scale[c] + shift[c]
