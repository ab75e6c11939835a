"""A contact sheet shows the right images in the right rows."""

import numpy as np
import pytest
from PIL import Image

from treehead.data.contact_sheet import CAPTION, GAP, MARGIN, TILE, contact_sheet
from treehead.data.dataset import Images
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array

PATHS = [("cat", "mammal"), ("carp", "fish"), ("dog", "mammal"), ("naked_mole_rat_of_the_savannah", "mammal")]
TREE = LabelTree.from_paths("pets", ("fine", "superclass"), PATHS)
COLOURS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0]], np.uint8)


def one_colour_per_leaf(leaves: list[int], tree: LabelTree = TREE, channels: int = 3) -> Images:
    pixels = np.broadcast_to(COLOURS[leaves, :channels, None, None], (len(leaves), channels, 4, 4))
    return Images(pixels, tree.label_paths(np.array(leaves)))


def middles(page: Image.Image, row: int, columns: int) -> Array:
    """(columns, 3): the colour in the middle of every tile of a row."""
    y = GAP + row * (TILE + GAP + CAPTION) + TILE // 2
    return np.array([page.getpixel((MARGIN + column * (TILE + GAP) + TILE // 2, y)) for column in range(columns)])


def test_a_row_per_superclass_with_images_of_every_leaf() -> None:
    page = contact_sheet(one_colour_per_leaf([0] * 50 + [1] * 5 + [2] * 3 + [3] * 3), TREE, columns=6)
    assert middles(page, 0, 6).tolist() == COLOURS[[0, 0, 2, 2, 3, 3]].tolist()
    assert middles(page, 1, 6).tolist() == [*COLOURS[[1] * 5].tolist(), [255, 255, 255]]


def test_size_of_the_sheet() -> None:
    page = contact_sheet(one_colour_per_leaf([0, 1, 2, 3]), TREE, columns=3)
    assert page.size == (MARGIN + 3 * (TILE + GAP) + GAP, 2 * (TILE + GAP + CAPTION) + GAP)
    assert page.mode == "RGB"


def test_a_caption_is_not_wider_than_its_image() -> None:
    page = np.asarray(contact_sheet(one_colour_per_leaf([3]), TREE, columns=2))
    captions = page[GAP + TILE : GAP + TILE + CAPTION, MARGIN:]
    assert (captions[:, : TILE + 1] < 255).any()
    assert (captions[:, TILE + 2 :] == 255).all()


def test_the_seed_chooses_the_images() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 3, 4, 4), np.uint8)
    images = Images(noise, TREE.label_paths(np.arange(100) % 4))
    first, again, other = (contact_sheet(images, TREE, columns=4, seed=seed).tobytes() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_an_image_without_a_leaf_label_has_the_name_of_its_superclass() -> None:
    images = one_colour_per_leaf([0])
    images.labels[0, 0] = -1
    renamed = LabelTree(TREE.name, TREE.levels, (("mammal", *TREE.names[0][1:]), TREE.names[1]), TREE.parents)
    assert (
        contact_sheet(images, TREE, columns=1).tobytes()
        == contact_sheet(one_colour_per_leaf([0], renamed), renamed, columns=1).tobytes()
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_coloured_images(channels: int) -> None:
    page = contact_sheet(one_colour_per_leaf([0], channels=channels), TREE, columns=1)
    assert middles(page, 0, 1).tolist() == [[250, 250, 250] if channels == 1 else [250, 0, 0]]


def test_a_tree_of_one_level_has_a_row_per_leaf() -> None:
    flat = LabelTree.from_paths("flat", ("fine",), [("cat",), ("dog",)])
    page = contact_sheet(one_colour_per_leaf([0, 1], flat), flat, columns=1)
    assert [middles(page, row, 1).tolist() for row in range(2)] == [[[250, 0, 0]], [[0, 250, 0]]]
