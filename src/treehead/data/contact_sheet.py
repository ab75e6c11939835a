"""A contact sheet of sample images, with one row per class of the level above the leaves."""

import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from treehead.data.dataset import Images
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array

TILE = 96
GAP = 6
CAPTION = 18
MARGIN = 190
INK, FAINT, PAPER = "#222222", "#777777", "#ffffff"


def contact_sheet(images: Images, tree: LabelTree, *, columns: int = 10, seed: int = 0) -> Image.Image:
    """Draw `columns` images of every superclass, spread evenly over its leaves, with its name below each.

    Shapes: images.pixels: (N, C, H, W) uint8 with 1 or 3 channels; enlarged without smoothing.
    Conventions: rows are in the order of the tree; to the left of a row are the name of the superclass and, below it,
        those of its ancestors. The rest of a row without enough images is empty. A tree of one level has a row per
        leaf.
    """
    level = min(1, len(tree.levels) - 1)
    rows = list(dict.fromkeys(tree.ancestors[level][tree.leaf_order].tolist()))
    rng = np.random.default_rng(seed)
    size = (MARGIN + columns * (TILE + GAP) + GAP, len(rows) * (TILE + GAP + CAPTION) + GAP)
    canvas = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(canvas)
    for row, superclass in enumerate(rows):
        top = GAP + row * (TILE + GAP + CAPTION)
        _write_names(draw, top, _names_from(tree, level, superclass))
        members = np.flatnonzero(images.labels[:, level] == superclass)
        for column, member in enumerate(_sampled(members, images.labels[members, 0], columns, rng)):
            left = MARGIN + column * (TILE + GAP)
            canvas.paste(_tile(images.pixels[member]), (left, top))
            _write_caption(draw, (left, top + TILE + 1), _deepest_name(tree, images.labels[member]))
    return canvas


def _sampled(members: Array, leaves: Array, count: int, rng: np.random.Generator) -> Array:
    """`count` random members, spread evenly over the leaves, sorted by leaf."""
    order = rng.permutation(len(members))
    members, leaves = members[order], leaves[order]
    rank = np.empty(len(members), np.int64)  # 0 for the first of its leaf, 1 for the second, ...
    for leaf in np.unique(leaves):
        rank[leaves == leaf] = np.arange((leaves == leaf).sum())
    chosen = np.lexsort((leaves, rank))[:count]
    return members[chosen[np.argsort(leaves[chosen], kind="stable")]]


def _names_from(tree: LabelTree, level: int, index: int) -> list[str]:
    """The names of a class and its ancestors, with spaces."""
    leaf = int(np.flatnonzero(tree.ancestors[level] == index)[0])
    return [name.replace("_", " ") for name in tree.path_names(leaf)[level:]]


def _deepest_name(tree: LabelTree, label: Array) -> str:
    """The name of the deepest class of a label (L,) that is known."""
    level = int((label >= 0).argmax())
    return tree.names[level][label[level]]


def _write_names(draw: ImageDraw.ImageDraw, top: int, names: list[str]) -> None:
    above = " · ".join(dict.fromkeys(name for name in names[1:] if name != names[0]))
    for text, size, colour, letters in ((names[0], 14, INK, 24), (above, 11, FAINT, 30)):
        for line in textwrap.wrap(text, width=letters):
            draw.text((GAP, top), line, colour, ImageFont.load_default(size))
            top += size + 4


def _write_caption(draw: ImageDraw.ImageDraw, place: tuple[int, int], name: str) -> None:
    """Write as much of the name as fits below an image."""
    font, text = ImageFont.load_default(11), name.replace("_", " ")
    while draw.textlength(text, font) > TILE and len(text) > 1:
        text = f"{text.rstrip('…')[:-1].rstrip()}…"
    draw.text(place, text, FAINT, font)


def _tile(pixels_CHW: Array) -> Image.Image:
    channels_last = pixels_CHW.transpose(1, 2, 0)
    image = Image.fromarray(channels_last if channels_last.shape[2] == 3 else channels_last[:, :, 0])
    return image.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)
