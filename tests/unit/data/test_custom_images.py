"""Custom images: listed, read once, divided; on small images drawn by the tests."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from treehead.config import DataConfig
from treehead.data import pixel_cache
from treehead.data.balance import class_weights, sampling_shares
from treehead.data.custom import divide, read_custom
from treehead.data.dataset import Dataset, split
from treehead.data.folder import folder_tree, list_folder
from treehead.data.listing import ImageEntry
from treehead.data.manifest import list_manifest
from treehead.data.pixel_cache import CachedPixels, cached_pixels
from treehead.system import exclusive
from treehead.types import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def draw(folder: Path, count: int, *, size: tuple[int, int] = (40, 36), suffix: str = ".png", first: int = 0) -> None:
    """Save `count` images in `folder`; every folder and every number gives different pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        seed = [number, *str(folder).encode()]
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}{suffix}")


def pets(photos: Path) -> Path:
    draw(photos / "animals" / "dog" / "beagle", 5)
    draw(photos / "animals" / "dog" / "pug", 5)
    draw(photos / "animals" / "dog", 4)
    draw(photos / "plants", 5, suffix=".jpg")
    return photos


def read(root: Path, cache: Path, messages: list[str] | None = None, **keys: object) -> Dataset:
    name = "folder" if root.is_dir() else "manifest"
    config = DataConfig.model_validate({"name": name, "root": root, "image_px": 32, **keys})
    log = messages.append if messages is not None else lambda message: None
    return read_custom(config, cache=cache, log=log, on_progress=lambda done, total: None)


# ---- listing a folder


def test_nested_folders_are_the_tree(photos: Path) -> None:
    listing = list_folder(pets(photos))
    tree, labels = listing.tree_and_labels()
    assert (tree.name, tree.levels) == ("photos", ("class", "group", "group2"))
    assert set(tree.names[0]) == {"beagle", "pug", "plants"}
    assert len(labels) == 19
    assert (labels[:, 0] < 0).sum() == 4
    assert folder_tree(photos) == tree


def test_hidden_files_and_system_folders_are_skipped(photos: Path) -> None:
    pets(photos)
    draw(photos / "__MACOSX", 1)
    draw(photos / ".thumbnails", 1)
    (photos / "plants" / "Thumbs.db").write_text("")
    (photos / "plants" / "._0.jpg").write_text("")
    draw(photos, 2)
    listing = list_folder(photos)
    assert len(listing.entries) == 19
    assert listing.warnings == (
        "skipped hidden and system folders: .thumbnails, __MACOSX",
        "skipped 2 files without the suffix of an image",
        "skipped 2 images outside the class folders",
    )


def test_train_and_test_folders_are_parts_not_classes(photos: Path) -> None:
    for part in ("Train", "val", "test"):
        draw(photos / part / "cat", 2)
        draw(photos / part / "dog", 2)
    listing = list_folder(photos)
    assert {entry.part for entry in listing.entries} == {"train", "validation", "test"}
    assert {entry.label for entry in listing.entries} == {("cat",), ("dog",)}
    draw(photos / "bird", 1)
    mixed = list_folder(photos)
    assert "read as a class" in mixed.warnings[0]
    assert {entry.part for entry in mixed.entries} == {None}


def test_names_of_any_script_with_spaces_and_quotes(photos: Path, tmp_path: Path) -> None:
    names = ('O\'Brien "big"', "кошка", "犬 と 猫", "<b>&amp;")
    for name in names:
        draw(photos / name, 3)
    dataset = read(photos, tmp_path / "cache")
    assert set(dataset.tree.names[0]) == set(names)


def test_links_are_followed_and_a_cycle_is_refused(photos: Path, tmp_path: Path) -> None:
    pets(photos)
    draw(tmp_path / "elsewhere", 3)
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    assert "linked" in folder_tree(photos).names[0]
    (photos / "plants" / "again").symlink_to(photos)
    with pytest.raises(UserError, match=r"plants/again is a link to .*photos, which contains it; remove the link"):
        list_folder(photos)


def test_folders_that_are_not_a_data_set(photos: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        list_folder(photos)
    photos.mkdir()
    with pytest.raises(UserError, match="photos contains no images; put the images into folders"):
        list_folder(photos)
    draw(photos, 2)
    with pytest.raises(UserError, match="photos contains no folders with images"):
        list_folder(photos)
    draw(photos / "cat", 2)
    with pytest.raises(UserError, match="has only one class, 'cat'; a classifier needs at least two"):
        folder_tree(photos)
    (photos / "dog" / "pug").mkdir(parents=True)
    with pytest.raises(UserError, match="dog/pug contains no image; add images or remove the folder"):
        list_folder(photos)


def test_a_name_with_a_line_break_is_refused(photos: Path) -> None:
    draw(photos / "cat", 2)
    draw(photos / "dog\n", 2)
    with pytest.raises(UserError, match=r"photos: the class name 'dog\\n' has a control character; rename the class"):
        folder_tree(photos)


def test_a_name_that_is_not_text(photos: Path) -> None:
    photos.mkdir()
    try:
        os.mkdir(os.path.join(os.fsencode(photos), b"caf\xe9"))
    except OSError:
        pytest.skip("the file system does not allow such a name")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        list_folder(photos)


# ---- listing a manifest


def manifest(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "pets.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_manifest_has_a_column_per_level(tmp_path: Path) -> None:
    text = "path,kind,breed,split\na.png,dog,pug,train\nb.png,dog,,Test\nc.png,cat,,train\na.png,dog,pug,train\n"
    listing = list_manifest(manifest(tmp_path, text))
    assert listing.levels == ("breed", "kind")
    assert listing.entries[0] == ImageEntry(tmp_path / "a.png", ("pug", "dog"), "train")
    assert [(entry.label, entry.part) for entry in listing.entries[1:]] == [(("dog",), "test"), (("cat",), "train")]
    assert listing.warnings == ("ignored 1 duplicate row",)
    assert listing.tree_and_labels()[1].tolist() == [[0, 0], [-1, 0], [1, 1]]


def test_columns_can_be_chosen_and_separated_by_semicolons(tmp_path: Path) -> None:
    file = manifest(tmp_path, "path;id;breed;kind\na.png;7;pug;dog\nb.png;8;tabby;cat\n")
    assert list_manifest(file, ("breed", "kind")).entries[1].label == ("tabby", "cat")


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"path": ["a.png", "b.png"], "kind": ["dog", "cat"], "breed": ["pug", None]})
    parquet.write_table(table, tmp_path / "pets.parquet")
    listing = list_manifest(tmp_path / "pets.parquet")
    assert [entry.label for entry in listing.entries] == [("pug", "dog"), ("cat",)]
    (tmp_path / "no.parquet").write_text("nothing")
    with pytest.raises(UserError, match="is not a Parquet table"):
        list_manifest(tmp_path / "no.parquet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,kind\na,b\n", "has no column 'path'; its columns are file, kind"),
        ("path\na\n", "has no column for a level"),
        ("path,kind\n", "has no rows"),
        ("", "is empty"),
        ("path,kind,kind\na,b,c\n", "has two columns of the same name"),
        ("path,kind\na,b,c\n", "row 1: 3 cells, but the header has 2"),
        ('path,kind\n"a,b\n', "is not valid CSV"),
        ("path,kind\na,\n", "row 1: a has no label"),
        ("path,kind\n,b\n", "row 1 has no path"),
        ("path,kind,breed\na,,pug\n", "row 1: a level is empty"),
        ("path,kind\na,cat\na,dog\n", "row 2: a has another label or split in an earlier row"),
        ("path,kind\na/b,cat\n./a//b,dog\n", "row 2: ./a//b has another label or split in an earlier row"),
        ("path,kind,split\na,cat,train\nb,dog,holdout\n", "split is 'holdout'; it must be train, validation or test"),
        ("path,kind,split\na,cat,train\nb,dog,\n", "column 'split' is empty in some rows"),
        ("path,a.b\nx,cat\ny,dog\n", "the level name 'a.b' is empty or has a dot or a slash"),
    ],
)
def test_manifests_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list_manifest(manifest(tmp_path, text)).tree_and_labels()


def test_a_chosen_column_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no column 'breed'; its columns are path, kind"):
        list_manifest(manifest(tmp_path, "path,kind\na,b\n"), ("breed", "kind"))


# ---- reading into the cache


def cached(files: Sequence[Path], cache: Path, messages: list[str], image_px: int = 32) -> CachedPixels:
    return cached_pixels(
        files,
        source=files[0].parent,
        image_px=image_px,
        cache=cache,
        log=messages.append,
        on_progress=lambda done, total: None,
    )


def test_images_are_read_once(photos: Path, tmp_path: Path) -> None:
    draw(photos, 3, size=(90, 40))
    files, messages = sorted(photos.iterdir()), []
    first = cached(files, tmp_path / "cache", messages)
    assert first.pixels.shape == (3, 3, 32, 32)
    assert isinstance(first.pixels, np.memmap)
    again = cached(files, tmp_path / "cache", messages)
    assert len(messages) == 1  # no message the second time: nothing is read
    np.testing.assert_array_equal(first.pixels, again.pixels)
    draw(photos, 1, first=0, size=(91, 40))
    cached(files, tmp_path / "cache", messages)
    cached(files, tmp_path / "cache", messages, image_px=48)
    assert len(messages) == 3


def test_images_are_rotated_upright_and_cropped_at_the_centre(photos: Path, tmp_path: Path) -> None:
    photos.mkdir()
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 40:60] = 255  # the left half of the middle third, which is the upper half after rotation
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate clockwise
    Image.fromarray(pixels).save(photos / "a.png", exif=exif)
    (image,) = cached([photos / "a.png"], tmp_path / "cache", []).pixels
    assert image[:, :14].min() > 240
    assert image[:, 18:].max() < 15


def test_unreadable_files_are_listed_with_their_reasons(photos: Path, tmp_path: Path) -> None:
    draw(photos, 3)
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:900])
    (photos / "3.png").write_text("not an image")
    files = [photos / f"{name}.png" for name in range(5)]
    result = cached(files, tmp_path / "cache", [])
    assert result.rows.tolist() == [0, 2]
    assert result.pixels.shape == (2, 3, 32, 32)
    assert sorted(result.unreadable) == [1, 3, 4]
    assert "is not an image" in result.unreadable[3]
    assert "No such file" in result.unreadable[4]


def test_an_enormous_image_is_refused_unread(photos: Path, tmp_path: Path) -> None:
    photos.mkdir()
    Image.new("1", (20_000, 20_000)).save(photos / "huge.png")
    result = cached([photos / "huge.png"], tmp_path / "cache", [])
    assert "too many pixels" in result.unreadable[0]


def test_interrupted_reading_leaves_nothing_in_the_cache(photos: Path, tmp_path: Path) -> None:
    draw(photos, 2)

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    choices = {"source": photos, "cache": tmp_path / "cache"}
    with pytest.raises(KeyboardInterrupt):
        cached_pixels(sorted(photos.iterdir()), image_px=32, log=lambda message: None, on_progress=stop, **choices)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_new_entry_replaces_the_older_one_of_the_same_folder(photos: Path, tmp_path: Path) -> None:
    cache, messages = tmp_path / "cache", []
    draw(photos, 2)
    draw(tmp_path / "others", 1)
    old = cached(sorted(photos.iterdir()), cache, messages)
    before = np.array(old.pixels)
    other = cached([tmp_path / "others" / "0.png"], cache, messages)
    other_size = cached(sorted(photos.iterdir()), cache, messages, 48)
    draw(photos, 1, first=2)
    new = cached(sorted(photos.iterdir()), cache, messages)
    assert set(cache.iterdir()) == {new.place, other.place, other_size.place}
    np.testing.assert_array_equal(old.pixels, before)  # still mapped here


def test_an_unfinished_entry_is_removed_after_a_day(photos: Path, tmp_path: Path) -> None:
    draw(photos, 1)
    for name, age in ((".packing-old", 2 * pixel_cache.STALE_SECONDS), (".packing-new", 0)):
        unfinished = tmp_path / "cache" / name
        unfinished.mkdir(parents=True)
        (unfinished / "pixels.u8").write_bytes(b"half")
        written = time.time() - age
        os.utime(unfinished / "pixels.u8", (written, written))
        os.utime(unfinished, (written, written))
    new = cached([photos / "0.png"], tmp_path / "cache", [])
    assert set((tmp_path / "cache").iterdir()) == {new.place, tmp_path / "cache" / ".packing-new"}


def test_a_damaged_entry_is_written_again(photos: Path, tmp_path: Path) -> None:
    draw(photos, 2)
    files, messages = sorted(photos.iterdir()), []
    expected = np.array(cached(files, tmp_path / "cache", messages).pixels)
    (place,) = (tmp_path / "cache").iterdir()
    (place / "pixels.u8").write_bytes(b"half")
    np.testing.assert_array_equal(cached(files, tmp_path / "cache", messages).pixels, expected)
    (place / "pack.json").write_text("{")
    np.testing.assert_array_equal(cached(files, tmp_path / "cache", messages).pixels, expected)
    assert len(messages) == 3


def test_a_cache_that_cannot_be_written(photos: Path, tmp_path: Path) -> None:
    draw(photos, 1)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cannot cache the images in .*; choose another folder: data.cache=FOLDER"):
        cached(sorted(photos.iterdir()), tmp_path / "cache", [])


# ---- the data set


def test_the_same_share_of_every_class_is_held_out_in_every_run(photos: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    dataset = read(pets(photos), tmp_path / "cache", messages)
    assert len(messages) == 1
    assert (len(dataset.train), len(dataset.test)) == (15, 4)  # one of each: beagles, pugs, dogs, plants
    assert (dataset.test.labels[:, 0] < 0).sum() == 1
    again = read(photos, tmp_path / "cache")
    np.testing.assert_array_equal(dataset.test.pixels, again.test.pixels)
    assert dataset.validation is None


def test_a_percentage_splits_images_without_a_leaf_label(photos: Path, tmp_path: Path) -> None:
    splits = split(read(pets(photos), tmp_path / "cache"), "75:25")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [11, 4, 4]
    assert (splits.train.labels[:, 0] < 0).sum() == 2


def test_given_parts_are_kept(photos: Path, tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 2), ("test", 3)):
        draw(photos / part / "cat", count)
        draw(photos / part / "dog", count)
    dataset = read(photos, tmp_path / "cache")
    assert dataset.validation is not None
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [8, 4, 6]
    assert split(dataset, "official").validation is dataset.validation
    parts = split(dataset, "50:50")
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [6, 6, 6]


def test_images_with_the_same_content_stay_together() -> None:
    entries = [ImageEntry(Path(str(number)), ("cat",)) for number in range(20)]
    digests = [str(number // 4) for number in range(20)]  # five contents, four copies each
    parts = divide(entries, digests, test_share=0.4)
    assert {digests[row] for row in parts["test"]}.isdisjoint(digests[row] for row in parts["train"])
    assert len(parts["test"]) == 8


def test_a_single_image_of_a_class_is_a_training_image(photos: Path, tmp_path: Path) -> None:
    draw(photos / "cat", 1)
    draw(photos / "dog", 4)
    dataset = read(photos, tmp_path / "cache")
    assert sorted(dataset.train.labels[:, 0]) == [0, 1, 1, 1]
    (photos / "dog" / "1.png").unlink()
    (photos / "dog" / "2.png").unlink()
    (photos / "dog" / "3.png").unlink()
    with pytest.raises(UserError, match="no test image with a known class; a test image is held out of every class"):
        read(photos, tmp_path / "cache")


def test_unreadable_images_up_to_a_share(photos: Path, tmp_path: Path) -> None:
    (pets(photos) / "plants" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    messages: list[str] = []
    dataset = read(photos, tmp_path / "cache", messages, unreadable_share=0.05)
    assert len(dataset.train) + len(dataset.test) == 19
    assert messages[1].startswith("unreadable: cannot read")
    assert messages[2] == "skipped 1 of 20 images because they cannot be read"
    with pytest.raises(UserError, match=r"1 of 20 images of .*photos cannot be read, more than data.unreadable_share"):
        read(photos, tmp_path / "cache", unreadable_share=0.04)


def test_a_class_without_a_readable_image_is_refused(photos: Path, tmp_path: Path) -> None:
    pets(photos)
    draw(photos / "stones", 0)
    (photos / "stones" / "a.jpg").write_text("not an image")
    with pytest.raises(UserError, match=r"class stones of .*photos has no readable training image"):
        read(photos, tmp_path / "cache", unreadable_share=0.5)


def test_copies_with_different_labels_or_in_different_parts_are_reported(photos: Path, tmp_path: Path) -> None:
    draw(photos / "train" / "cat", 3)
    draw(photos / "train" / "dog", 3)
    draw(photos / "test" / "cat", 2)
    draw(photos / "test" / "dog", 2)
    copy = (photos / "train" / "cat" / "0.png").read_bytes()
    (photos / "train" / "dog" / "copy.png").write_bytes(copy)
    (photos / "test" / "cat" / "copy.png").write_bytes(copy)
    messages: list[str] = []
    read(photos, tmp_path / "cache", messages)
    assert "1 image has more than one label, which contradict each other in training" in messages[1]
    assert "1 image has copies in more than one part of the split, which makes test results too good" in messages[2]


# ---- classes of unequal size


LABELS = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [-1, 0], [2, 1]])


def test_class_weights_by_hand() -> None:
    leaves, groups = class_weights(LABELS, (4, 2))
    np.testing.assert_allclose(leaves, [5 / 9, 5 / 3, 5 / 3, 1])  # 5 labelled images, 3 classes with images
    np.testing.assert_allclose(groups, [6 / 10, 6 / 2])


def test_sampling_shares_by_hand() -> None:
    np.testing.assert_allclose(sampling_shares(LABELS), [1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 4, 1 / 4])


def test_files_of_a_cache_entry(photos: Path, tmp_path: Path) -> None:
    draw(photos, 1)
    cached([photos / "0.png"], tmp_path / "cache", [])
    (place,) = (tmp_path / "cache").iterdir()
    metadata = json.loads((place / "pack.json").read_text())
    assert set(metadata) == {"digests", "unreadable", "notes"}
    assert (place / "pixels.u8").stat().st_size == 3 * 32 * 32


# ---- several processes, one cache


def test_whoever_comes_second_takes_what_is_there(photos: Path, tmp_path: Path) -> None:
    """Another process finishes the same entry while this one reads."""
    draw(photos, 3)
    files = sorted(photos.iterdir())
    expected: list[CachedPixels] = []

    def meanwhile(done: int, total: int | None) -> None:
        if not expected:
            expected.append(cached(files, tmp_path / "cache", []))

    choices = {"source": photos, "image_px": 32, "cache": tmp_path / "cache", "log": lambda text: None}
    ours = cached_pixels(files, on_progress=meanwhile, **choices)
    np.testing.assert_array_equal(ours.pixels, expected[0].pixels)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [ours.place.name]


def test_what_a_killed_process_has_left_is_swept_at_once(photos: Path, tmp_path: Path) -> None:
    draw(photos, 1)
    for name in ("killed", "working"):
        (tmp_path / "cache" / f".packing-{name}").mkdir(parents=True)
        (tmp_path / "cache" / f".packing-{name}" / "lock").touch()
    with exclusive(tmp_path / "cache" / ".packing-working" / "lock", "in use"):
        new = cached([photos / "0.png"], tmp_path / "cache", [])
        assert {path.name for path in (tmp_path / "cache").iterdir()} == {new.place.name, ".packing-working"}
