"""Sample images: those of the run folder if it has any, else drawings of classes in the tree."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from treehead.hierarchy.tree import LabelTree
from treehead.runfiles import RunFolder
from treehead.serve.drawings import DRAWINGS
from treehead.types import Array

MAX_SAMPLES = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """A PNG and the class it shows. drawn: by `serve.drawings`, not an image of a data set."""

    title: str
    png: bytes
    drawn: bool


def samples_of(tree: LabelTree, folder: RunFolder | None) -> list[Sample]:
    """At most `MAX_SAMPLES`; none if the run kept no images and there is no drawing of a class in the tree."""
    if folder is not None and folder.samples.exists():
        arrays = folder.read_arrays(folder.samples)
        pixels, labels = arrays["pixels"], arrays["labels"][:, 0]
        chosen = np.linspace(0, len(pixels) - 1, min(MAX_SAMPLES, len(pixels))).astype(int)
        return [Sample(tree.names[0][int(labels[i])], _png(_image(pixels[i])), drawn=False) for i in chosen]
    names = [name for name in DRAWINGS if name in tree.names[0]]
    return [Sample(name, _png(DRAWINGS[name]()), drawn=True) for name in names[:MAX_SAMPLES]]


def _image(pixels: Array) -> Image.Image:
    """Shapes: pixels: (C, H, W) uint8, C = 1 or 3."""
    return Image.fromarray(pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0])


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
