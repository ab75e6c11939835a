"""A labelled sheet of samples, one row per class of the level above the leaves."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from treehead.data.dataset import Images
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array

TILE = 64
GAP = 4
CAPTION = 14
MARGIN = 200


def sheet(images: Images, tree: LabelTree, *, columns: int = 10, seed: int = 0) -> Image.Image:
    """Draw `columns` random images of every superclass, each under its leaf's name, rows in the order of the tree.

    Shapes: images.pixels: (N, C, H, W) uint8 with 1 or 3 channels; enlarged without smoothing.
    """
    level = min(1, len(tree.levels) - 1)
    rows = list(dict.fromkeys(tree.ancestors[level][tree.leaf_order].tolist()))
    rng = np.random.default_rng(seed)
    step = TILE + GAP + CAPTION
    canvas = Image.new("RGB", (MARGIN + columns * (TILE + GAP) + GAP, len(rows) * step + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    small, large = ImageFont.load_default(9), ImageFont.load_default(13)
    for row, superclass in enumerate(rows):
        top = GAP + row * step
        members = rng.permutation(np.flatnonzero(images.labels[:, level] == superclass))[:columns]
        members = members[np.argsort(images.labels[members, 0], kind="stable")]
        draw.text((GAP, top + TILE // 2 - 8), _readable(tree.names[level][superclass], 28), "black", large)
        for column, member in enumerate(members):
            left = MARGIN + column * (TILE + GAP)
            canvas.paste(_picture(images.pixels[member]).resize((TILE, TILE), Image.Resampling.NEAREST), (left, top))
            name = _readable(tree.names[0][images.labels[member, 0]], 13)
            draw.text((left, top + TILE), name, "dimgray", small)
    return canvas


def _picture(pixels_CHW: Array) -> Image.Image:
    channels_last = pixels_CHW.transpose(1, 2, 0)
    return Image.fromarray(channels_last if channels_last.shape[2] == 3 else channels_last[:, :, 0]).convert("RGB")


def _readable(name: str, longest: int) -> str:
    words = name.replace("_", " ")
    return words if len(words) <= longest else words[: longest - 1] + "…"
