"""Laws of every split: no image lost or duplicated, every leaf in proportion, determined by the seed."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from treehead.data.custom import divide
from treehead.data.dataset import Dataset, Images, Splits, split
from treehead.data.listing import ImageEntry
from treehead.hierarchy.tree import LabelTree
from treehead.types import Array


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Two to five leaves of 4 to 30 images in random order; the pixels hold the number of the image."""
    counts = draw(st.lists(st.integers(4, 30), min_size=2, max_size=5))
    tree = LabelTree.from_paths("synthetic", ("fine", "superclass"), [(f"leaf_{i}", "all") for i in range(len(counts))])
    order = np.random.default_rng(draw(st.integers(0, 9)))
    leaves = order.permutation(np.repeat(np.arange(len(counts)), counts))
    train, test = np.arange(len(leaves)), len(leaves) + np.arange(2 * len(counts))
    return Dataset("synthetic", tree, _images(tree, train, leaves), _images(tree, test, test % len(counts)))


def _images(tree: LabelTree, numbers: Array, leaves: Array) -> Images:
    pixels = np.stack([numbers // 256, numbers % 256], axis=1).astype(np.uint8)
    return Images(pixels.reshape(-1, 1, 1, 2), tree.label_paths(leaves))


def numbers(images: Images) -> Array:
    return images.pixels[:, 0, 0].astype(int) @ [256, 1]


percentages = st.integers(25, 75)
seeds = st.integers(0, 2**32 - 1)
pools = st.sampled_from(["train", "all"])


def divided(dataset: Dataset, percent: int, pool: str, seed: int) -> Splits:
    return split(dataset, f"{percent}:{100 - percent}", pool=pool, seed=seed)


@given(datasets(), percentages, pools, seeds)
def test_no_image_is_lost_or_in_both_parts(dataset: Dataset, percent: int, pool: str, seed: int) -> None:
    splits = divided(dataset, percent, pool, seed)
    together = np.concatenate([numbers(splits.train), numbers(splits.validation)])
    whole = len(dataset.train) + (len(dataset.test) if pool == "all" else 0)
    assert sorted(together) == list(range(whole))


@given(datasets(), percentages, seeds)
def test_every_leaf_is_split_in_proportion(dataset: Dataset, percent: int, seed: int) -> None:
    splits = divided(dataset, percent, "train", seed)
    for leaf in range(dataset.tree.num_leaves):
        total = (dataset.train.labels[:, 0] == leaf).sum()
        kept = (splits.train.labels[:, 0] == leaf).sum()
        assert 0 < kept < total
        assert abs(kept - total * percent / 100) <= 0.5


@given(datasets(), percentages, pools, seeds)
def test_labels_stay_with_their_pixels(dataset: Dataset, percent: int, pool: str, seed: int) -> None:
    splits = divided(dataset, percent, pool, seed)
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    for part in (splits.train, splits.validation, splits.test):
        np.testing.assert_array_equal(part.labels, labels[numbers(part)])


@given(datasets(), percentages, pools, seeds)
def test_the_same_seed_gives_the_same_split(dataset: Dataset, percent: int, pool: str, seed: int) -> None:
    first, again = (divided(dataset, percent, pool, seed) for _ in range(2))
    np.testing.assert_array_equal(numbers(first.train), numbers(again.train))


def test_another_seed_gives_another_split() -> None:
    tree = LabelTree.from_paths("two", ("fine",), [("a",), ("b",)])
    leaves = np.arange(400) % 2
    dataset = Dataset("two", tree, _images(tree, np.arange(400), leaves), _images(tree, np.arange(2), leaves[:2]))
    first, other = (divided(dataset, 80, "train", seed) for seed in (0, 1))
    assert set(numbers(first.train)) != set(numbers(other.train))


# ---- custom images: which ones are test images depends on their content alone

contents = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["ant", "bee", "cow"])), min_size=2, max_size=60)
shares = st.sampled_from([0.1, 0.2, 0.5, 0.75])


def test_images(listed: list[tuple[int, str]], share: float) -> set[tuple[int, str]]:
    """The (content, class) of the test images."""
    entries = [ImageEntry(Path(f"{place}.png"), (name,)) for place, (_, name) in enumerate(listed)]
    parts = divide(entries, [f"digest {content}" for content, _ in listed], test_share=share)
    assert sorted([*parts["train"], *parts["test"]]) == list(range(len(listed)))
    return {listed[row] for row in parts["test"]}


test_images.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


@given(contents, shares, st.randoms())
def test_order_and_names_of_files_do_not_matter(listed: list[tuple[int, str]], share: float, random) -> None:  # noqa: ANN001
    other = list(listed)
    random.shuffle(other)
    assert test_images(other, share) == test_images(listed, share)


@given(contents, shares)
def test_copies_are_in_one_part(listed: list[tuple[int, str]], share: float) -> None:
    tested = {content for content, _ in test_images(listed, share)}
    entries = [ImageEntry(Path(f"{place}.png"), (name,)) for place, (_, name) in enumerate(listed)]
    parts = divide(entries, [str(content) for content, _ in listed], test_share=share)
    assert {listed[row][0] for row in parts["train"]}.isdisjoint({listed[row][0] for row in parts["test"]})
    assert len(tested) <= len({content for content, _ in listed})


@given(st.sets(st.integers(0, 500), min_size=2, max_size=60), st.integers(501, 600), shares)
def test_a_new_image_changes_the_part_of_one_other_at_most(numbers: set[int], new: int, share: float) -> None:
    before = test_images([(number, "ant") for number in sorted(numbers)], share)
    after = test_images([(number, "ant") for number in (new, *sorted(numbers))], share) - {(new, "ant")}
    assert len(before ^ after) <= 1


@given(st.integers(2, 60), shares)
def test_every_class_has_its_share_of_test_images(count: int, share: float) -> None:
    tested = test_images([(number, "ant") for number in range(count)], share)
    assert len(tested) == min(max(round(count * share), 1), count - 1)


@given(datasets(), percentages, seeds, st.integers(0, 9))
def test_images_from_files_are_split_by_content(dataset: Dataset, percent: int, seed: int, shuffle: int) -> None:
    """In any order of the images, the same ones are training images."""
    own = Images(dataset.train.pixels, dataset.train.labels, numbers(dataset.train).astype(np.uint64))
    mixed = own.take(np.random.default_rng(shuffle).permutation(len(own)))
    parts = [
        divided(Dataset("x", dataset.tree, images, dataset.test), percent, "train", seed).train
        for images in (own, mixed)
    ]
    assert set(numbers(parts[0])) == set(numbers(parts[1]))
