"""The built-in data set `shapes`: coloured, textured shapes, drawn by code, in a tree of three levels.

    group        uniform | patterned
    superclass   plain | striped, dotted, checked                             the texture
    fine         disc, ring, lens, triangle, square or star: striped_star     the outline

A network confuses outlines most, then patterns, and hardly ever a pattern with none: siblings look alike.
Colour, position, size, rotation, brightness, noise and background vary in the same way in every class.
Axes: N images, H W image.
"""

from itertools import product

import numpy as np

from treehead.data.dataset import Dataset, Images
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array

SIDE = 32
GROUPS = {"uniform": ("plain",), "patterned": ("striped", "dotted", "checked")}
TEXTURES = tuple(texture for textures in GROUPS.values() for texture in textures)
OUTLINES = ("disc", "ring", "lens", "triangle", "square", "star")


def shapes_tree() -> LabelTree:
    """The tree of 24 leaves (such as `striped_star`), 4 textures and 2 groups."""
    group_of = {texture: group for group, textures in GROUPS.items() for texture in textures}
    paths = [(f"{texture}_{outline}", texture, group_of[texture]) for outline, texture in product(OUTLINES, TEXTURES)]
    return LabelTree.from_paths("shapes", ("fine", "superclass", "group"), paths)


def shapes(*, train_per_leaf: int = 250, test_per_leaf: int = 50, seed: int = 0) -> Dataset:
    """Draw the data set; the same arguments give the same pixels.

    Shapes: images of (3, 32, 32) uint8; 24 * train_per_leaf training and 24 * test_per_leaf test images.
    """
    tree = shapes_tree()
    rng = np.random.default_rng(seed)
    train, test = (_draw(tree, count, rng) for count in (train_per_leaf, test_per_leaf))
    return Dataset("shapes", tree, train, test)


def _draw(tree: LabelTree, per_leaf: int, rng: np.random.Generator) -> Images:
    """`per_leaf` images of every leaf, in the order of the leaves."""
    pixels = [_draw_leaf(outline, texture, per_leaf, rng) for outline, texture in product(OUTLINES, TEXTURES)]
    leaves = np.repeat(np.arange(tree.num_leaves), per_leaf)
    return Images(np.concatenate(pixels), tree.label_paths(leaves))


def _draw_leaf(outline: str, texture: str, num: int, rng: np.random.Generator) -> Array:
    """(N, 3, H, W) uint8."""
    u, v = _local_coordinates(num, rng)
    inside = _coverage(_outline(outline, u, v))
    marks = _marks(texture, u, v, rng)
    image = _background(num, rng)
    first, second = _two_colours(num, rng)
    filling = first + marks[:, None] * (second - first)
    image += inside[:, None] * (filling - image)
    brightness = rng.uniform(0.65, 1.25, (num, 1, 1, 1))
    noise = 0.06 * rng.standard_normal((num, 3, SIDE, SIDE), np.float32)
    return np.round(255 * np.clip(image * brightness + noise, 0, 1)).astype(np.uint8)


def _local_coordinates(num: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The coordinates of every pixel relative to the shape: centred, unrotated, radius about 1; (N, H, W) each."""
    grid = np.arange(SIDE) + 0.5
    centre = rng.uniform(11, 21, (2, num, 1, 1))
    radius = rng.uniform(7, 12, (num, 1, 1))
    rotation = rng.uniform(0, 2 * np.pi, (num, 1, 1))
    dx, dy = (grid - centre[0]) / radius, (grid[:, None] - centre[1]) / radius
    return np.cos(rotation) * dx + np.sin(rotation) * dy, np.cos(rotation) * dy - np.sin(rotation) * dx


def _outline(name: str, u: Array, v: Array) -> Array:
    """An approximate signed distance to the outline, negative inside: (N, H, W)."""
    r, angle = np.hypot(u, v), np.arctan2(v, u)

    def polygon(corners: int) -> Array:
        wedge = 2 * np.pi / corners
        return r * np.cos(np.mod(angle, wedge) - wedge / 2) - np.cos(np.pi / corners)

    fields = {
        "disc": lambda: r - 0.9,
        "ring": lambda: np.abs(r - 0.72) - 0.26,
        "lens": lambda: np.maximum(np.hypot(u, v - 0.55), np.hypot(u, v + 0.55)) - 1.1,
        "triangle": lambda: polygon(3),
        "square": lambda: polygon(4),
        "star": lambda: r - (0.72 + 0.3 * np.cos(5 * angle)),
    }
    return fields[name]()


def _coverage(field: Array) -> Array:
    """The share of a pixel inside the outline, in [0, 1]: a soft edge about one pixel wide."""
    return np.clip(0.5 - 8 * field, 0, 1)


def _marks(texture: str, u: Array, v: Array, rng: np.random.Generator) -> Array:
    """The share of a pixel that has the second colour: (N, H, W) in [0, 1]."""
    waves = rng.uniform(6, 9, (len(u), 1, 1))
    a, b = np.sin(waves * u), np.sin(waves * v)
    patterns = {
        "plain": lambda: np.full_like(u, -1.0),
        "striped": lambda: a,
        "dotted": lambda: (a + b) / 2 - 0.45,
        "checked": lambda: 2 * a * b,
    }
    return np.clip(0.5 + 2 * patterns[texture](), 0, 1)


def _two_colours(num: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The two colours of a shape, with a visible contrast: (N, 3, 1, 1) each."""
    first = rng.uniform(0.15, 0.95, (num, 3, 1, 1))
    contrast = np.where(first.mean(axis=1, keepdims=True) > 0.55, -1, 1) * rng.uniform(0.3, 0.5, (num, 3, 1, 1))
    return first, np.clip(first + contrast, 0, 1)


def _background(num: int, rng: np.random.Generator) -> Array:
    """A gradient of two colours with three random discs: (N, 3, H, W)."""
    grid = np.linspace(-1, 1, SIDE)
    rotation = rng.uniform(0, 2 * np.pi, (num, 1, 1))
    slope = 0.5 + 0.35 * (np.cos(rotation) * grid + np.sin(rotation) * grid[:, None])
    ends = rng.uniform(0.1, 0.9, (2, num, 3, 1, 1))
    image = ends[0] + slope[:, None] * (ends[1] - ends[0])
    for _ in range(3):
        x, y, radius = rng.uniform(-1, 1, (num, 1, 1)), rng.uniform(-1, 1, (num, 1, 1)), rng.uniform(0.1, 0.3, num)
        cover = _coverage((np.hypot(grid - x, grid[:, None] - y) - radius[:, None, None]) * 1.5)
        image += cover[:, None] * (rng.uniform(0.1, 0.9, (num, 3, 1, 1)) - image)
    return image
