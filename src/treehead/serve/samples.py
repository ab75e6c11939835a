"""Images to try: a run's own samples where its folder has some, else pictures drawn for the classes its tree has."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from treehead.hierarchy.tree import LabelTree
from treehead.runfiles import RunFolder
from treehead.serve.drawings import DRAWINGS
from treehead.types import Array

MOST = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """A PNG, and what it shows. drawn: by our own code, not taken from a data set."""

    title: str
    png: bytes
    drawn: bool


def samples_of(tree: LabelTree, folder: RunFolder | None) -> list[Sample]:
    """At most `MOST`; none where the run kept no images and nothing drawn is in its tree."""
    if folder is not None and folder.samples.exists():
        arrays = folder.read_arrays(folder.samples)
        some = np.linspace(0, len(arrays["pixels"]) - 1, min(MOST, len(arrays["pixels"]))).astype(int)
        return [
            Sample(tree.names[0][int(arrays["labels"][i, 0])], _png(arrays["pixels"][i]), drawn=False) for i in some
        ]
    known = [name for name in DRAWINGS if name in tree.names[0]]
    return [Sample(name, _written(DRAWINGS[name]()), drawn=True) for name in known[:MOST]]


def _png(pixels: Array) -> bytes:
    """(C, H, W) uint8 -> PNG."""
    return _written(Image.fromarray(pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]))


def _written(image: Image.Image) -> bytes:
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()
