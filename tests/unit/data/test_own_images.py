"""One's own images: listed, decoded once, divided; small pictures drawn here."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from treehead.config import DataConfig
from treehead.data import packing
from treehead.data.balance import class_weights, sampling_shares
from treehead.data.dataset import Dataset, split
from treehead.data.folder import folder_tree, list_folder
from treehead.data.listing import Listed
from treehead.data.manifest import list_manifest
from treehead.data.own import divide, read_own
from treehead.data.packing import pack
from treehead.types import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def draw(folder: Path, count: int, *, size: tuple[int, int] = (40, 36), suffix: str = ".png", first: int = 0) -> None:
    """`count` different pictures in `folder`: no two folders and no two numbers give the same pixels."""
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


def read(root: Path, cache: Path, said: list[str] | None = None, **keys: object) -> Dataset:
    name = "folder" if root.is_dir() else "manifest"
    config = DataConfig.model_validate({"name": name, "root": root, "image_px": 32, **keys})
    say = said.append if said is not None else lambda words: None
    return read_own(config, cache=cache, say=say, report=lambda done, total: None)


# ---- listing a folder


def test_folders_nest_as_the_tree_does(photos: Path) -> None:
    listing = list_folder(pets(photos))
    tree, labels = listing.tree_and_labels()
    assert (tree.name, tree.levels) == ("photos", ("class", "group", "group2"))
    assert set(tree.names[0]) == {"beagle", "pug", "plants"}
    assert len(labels) == 19
    assert (labels[:, 0] < 0).sum() == 4
    assert folder_tree(photos) == tree


def test_hidden_files_and_system_folders_are_no_classes(photos: Path) -> None:
    pets(photos)
    draw(photos / "__MACOSX", 1)
    draw(photos / ".thumbnails", 1)
    (photos / "plants" / "Thumbs.db").write_text("")
    (photos / "plants" / "._0.jpg").write_text("")
    draw(photos, 2)
    listing = list_folder(photos)
    assert len(listing.files) == 19
    assert listing.remarks == (
        "passed over as no classes: .thumbnails, __MACOSX",
        "passed over 2 files named unlike an image",
        "passed over 2 images in no class folder",
    )


def test_train_and_test_folders_are_parts_and_no_classes(photos: Path) -> None:
    for part in ("Train", "val", "test"):
        draw(photos / part / "cat", 2)
        draw(photos / part / "dog", 2)
    listing = list_folder(photos)
    assert {file.part for file in listing.files} == {"train", "validation", "test"}
    assert {file.label for file in listing.files} == {("cat",), ("dog",)}
    draw(photos / "bird", 1)
    mixed = list_folder(photos)
    assert "taken for a class" in mixed.remarks[0]
    assert {file.part for file in mixed.files} == {None}


def test_names_of_any_script_with_spaces_and_quotes(photos: Path, tmp_path: Path) -> None:
    names = ('O\'Brien "big"', "кошка", "犬 と 猫", "<b>&amp;")
    for name in names:
        draw(photos / name, 3)
    dataset = read(photos, tmp_path / "cache")
    assert set(dataset.tree.names[0]) == set(names)


def test_a_link_is_followed_and_a_link_round_is_named(photos: Path, tmp_path: Path) -> None:
    pets(photos)
    draw(tmp_path / "elsewhere", 3)
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    assert "linked" in folder_tree(photos).names[0]
    (photos / "plants" / "again").symlink_to(photos)
    with pytest.raises(UserError, match=r"plants/again leads back to .*photos, which it lies in; remove that link"):
        list_folder(photos)


def test_folders_that_are_no_data_set(photos: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        list_folder(photos)
    photos.mkdir()
    with pytest.raises(UserError, match="photos holds no image; images belong into folders"):
        list_folder(photos)
    draw(photos, 2)
    with pytest.raises(UserError, match="no folder in it that names a class"):
        list_folder(photos)
    draw(photos / "cat", 2)
    with pytest.raises(UserError, match="has one class only, 'cat'; there is nothing to tell apart"):
        folder_tree(photos)
    (photos / "dog" / "pug").mkdir(parents=True)
    with pytest.raises(UserError, match="dog/pug holds no image; add some, or remove the folder"):
        list_folder(photos)


def test_a_name_with_a_line_break_is_refused(photos: Path) -> None:
    draw(photos / "cat", 2)
    draw(photos / "dog\n", 2)
    with pytest.raises(UserError, match=r"photos names a class 'dog\\n'; rename it"):
        folder_tree(photos)


def test_a_name_that_is_no_text(photos: Path) -> None:
    photos.mkdir()
    try:
        os.mkdir(os.path.join(os.fsencode(photos), b"caf\xe9"))
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(UserError, match="is no UTF-8 text"):
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
    assert listing.files[0] == Listed(tmp_path / "a.png", ("dog", "pug"), "train")
    assert [(file.label, file.part) for file in listing.files[1:]] == [(("dog",), "test"), (("cat",), "train")]
    assert listing.remarks == ("1 row stands twice and counts once",)
    assert listing.tree_and_labels()[1].tolist() == [[0, 0], [-1, 0], [1, 1]]


def test_columns_may_be_chosen_and_parted_by_semicolons(tmp_path: Path) -> None:
    file = manifest(tmp_path, "path;id;breed;kind\na.png;7;pug;dog\nb.png;8;tabby;cat\n")
    assert list_manifest(file, ("breed", "kind")).files[1].label == ("cat", "tabby")


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"path": ["a.png", "b.png"], "kind": ["dog", "cat"], "breed": ["pug", None]})
    parquet.write_table(table, tmp_path / "pets.parquet")
    listing = list_manifest(tmp_path / "pets.parquet")
    assert [file.label for file in listing.files] == [("dog", "pug"), ("cat",)]
    (tmp_path / "no.parquet").write_text("nothing")
    with pytest.raises(UserError, match="is no Parquet table"):
        list_manifest(tmp_path / "no.parquet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,kind\na,b\n", "has no column 'path'; its columns are file, kind"),
        ("path\na\n", "has no column for a level"),
        ("path,kind\n", "has no rows"),
        ("", "is empty"),
        ("path,kind,kind\na,b,c\n", "names a column twice"),
        ("path,kind\na,b,c\n", "row 1: 3 cells under 2 columns"),
        ('path,kind\n"a,b\n', "is no CSV"),
        ("path,kind\na,\n", "row 1: a has no label"),
        ("path,kind\n,b\n", "row 1 names no image"),
        ("path,kind,breed\na,,pug\n", "row 1: a level is empty"),
        ("path,kind\na,cat\na,dog\n", "row 2: a stands in an earlier row with another label"),
        ("path,kind\na/b,cat\n./a//b,dog\n", "row 2: ./a//b stands in an earlier row with another label"),
        ("path,kind,split\na,cat,train\nb,dog,holdout\n", "split is 'holdout'; it is train, validation or test"),
        ("path,kind,split\na,cat,train\nb,dog,\n", "column 'split' is empty in some rows"),
        ("path,a.b\nx,cat\ny,dog\n", "a level cannot be called 'a.b'"),
    ],
)
def test_manifests_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list_manifest(manifest(tmp_path, text)).tree_and_labels()


def test_a_chosen_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no column 'breed'; its columns are path, kind"):
        list_manifest(manifest(tmp_path, "path,kind\na,b\n"), ("breed", "kind"))


# ---- decoding into the cache


def packed(files: Sequence[Path], cache: Path, said: list[str], image_px: int = 32) -> packing.Pack:
    source = files[0].parent
    return pack(files, source=source, image_px=image_px, cache=cache, say=said.append, report=lambda done, total: None)


def test_images_are_decoded_once(photos: Path, tmp_path: Path) -> None:
    draw(photos, 3, size=(90, 40))
    files, said = sorted(photos.iterdir()), []
    first = packed(files, tmp_path / "cache", said)
    assert first.pixels.shape == (3, 3, 32, 32)
    assert isinstance(first.pixels, np.memmap)
    again = packed(files, tmp_path / "cache", said)
    assert len(said) == 1  # the second time says nothing: nothing is decoded
    np.testing.assert_array_equal(first.pixels, again.pixels)
    draw(photos, 1, first=0, size=(91, 40))
    packed(files, tmp_path / "cache", said)
    packed(files, tmp_path / "cache", said, image_px=48)
    assert len(said) == 3


def test_turned_upright_and_cut_from_the_centre(photos: Path, tmp_path: Path) -> None:
    photos.mkdir()
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 40:60] = 255  # of the middle third the left half, which lies on top once turned a quarter
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    Image.fromarray(pixels).save(photos / "a.png", exif=exif)
    (found,) = packed([photos / "a.png"], tmp_path / "cache", []).pixels
    assert found[:, :14].min() > 240
    assert found[:, 18:].max() < 15


def test_unreadable_files_have_their_reasons_and_leave_no_gap(photos: Path, tmp_path: Path) -> None:
    draw(photos, 3)
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:900])
    (photos / "3.png").write_text("no picture")
    files = [photos / f"{name}.png" for name in range(5)]
    found = packed(files, tmp_path / "cache", [])
    assert found.rows.tolist() == [0, 2]
    assert found.pixels.shape == (2, 3, 32, 32)
    assert sorted(found.unreadable) == [1, 3, 4]
    assert "is not an image" in found.unreadable[3]
    assert "No such file" in found.unreadable[4]


def test_an_enormous_picture_is_refused_and_not_decoded(photos: Path, tmp_path: Path) -> None:
    photos.mkdir()
    Image.new("1", (20_000, 20_000)).save(photos / "huge.png")
    found = packed([photos / "huge.png"], tmp_path / "cache", [])
    assert "too many pixels" in found.unreadable[0]


def test_a_broken_off_decoding_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    draw(photos, 2)

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    choices = {"source": photos, "cache": tmp_path / "cache"}
    with pytest.raises(KeyboardInterrupt):
        pack(sorted(photos.iterdir()), image_px=32, say=lambda words: None, report=stop, **choices)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_pack_takes_the_place_of_what_its_folder_held_before(photos: Path, tmp_path: Path) -> None:
    cache, said = tmp_path / "cache", []
    draw(photos, 2)
    draw(tmp_path / "others", 1)
    old = packed(sorted(photos.iterdir()), cache, said)
    before = np.array(old.pixels)
    kept = [packed([tmp_path / "others" / "0.png"], cache, said), packed(sorted(photos.iterdir()), cache, said, 48)]
    draw(photos, 1, first=2)
    new = packed(sorted(photos.iterdir()), cache, said)
    assert set(cache.iterdir()) == {new.place, *(pack.place for pack in kept)}
    np.testing.assert_array_equal(old.pixels, before)  # whoever has it mapped may go on


def test_what_a_killed_decoding_left_is_removed_a_day_later(photos: Path, tmp_path: Path) -> None:
    draw(photos, 1)
    for name, age in ((".packing-old", 2 * packing.FORGOTTEN_SECONDS), (".packing-new", 0)):
        left = tmp_path / "cache" / name
        left.mkdir(parents=True)
        (left / "pixels.u8").write_bytes(b"half")
        written = time.time() - age
        os.utime(left / "pixels.u8", (written, written))
        os.utime(left, (written, written))
    made = packed([photos / "0.png"], tmp_path / "cache", [])
    assert set((tmp_path / "cache").iterdir()) == {made.place, tmp_path / "cache" / ".packing-new"}


def test_a_damaged_pack_is_made_again(photos: Path, tmp_path: Path) -> None:
    draw(photos, 2)
    files, said = sorted(photos.iterdir()), []
    whole = np.array(packed(files, tmp_path / "cache", said).pixels)
    (place,) = (tmp_path / "cache").iterdir()
    (place / "pixels.u8").write_bytes(b"half")
    np.testing.assert_array_equal(packed(files, tmp_path / "cache", said).pixels, whole)
    (place / "pack.json").write_text("{")
    np.testing.assert_array_equal(packed(files, tmp_path / "cache", said).pixels, whole)
    assert len(said) == 3


def test_a_cache_that_cannot_be_written(photos: Path, tmp_path: Path) -> None:
    draw(photos, 1)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cannot be kept in .*cache .*; name a folder for them: data.cache=FOLDER"):
        packed(sorted(photos.iterdir()), tmp_path / "cache", [])


# ---- the data set


def test_a_share_of_every_class_is_held_out_alike_in_every_run(photos: Path, tmp_path: Path) -> None:
    said: list[str] = []
    dataset = read(pets(photos), tmp_path / "cache", said)
    assert len(said) == 1
    assert (len(dataset.train), len(dataset.test)) == (15, 4)  # one of each: beagles, pugs, dogs, plants
    assert (dataset.test.labels[:, 0] < 0).sum() == 1
    again = read(photos, tmp_path / "cache")
    np.testing.assert_array_equal(dataset.test.pixels, again.test.pixels)
    assert dataset.validation is None


def test_a_percentage_divides_images_that_are_known_only_so_far(photos: Path, tmp_path: Path) -> None:
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


def test_images_of_the_same_content_stay_together() -> None:
    files = [Listed(Path(str(number)), ("cat",)) for number in range(20)]
    digests = [str(number // 4) for number in range(20)]  # five contents, four times each
    parts = divide(files, np.zeros((20, 1), np.int64), digests, test_share=0.4)
    assert {digests[place] for place in parts["test"]}.isdisjoint(digests[place] for place in parts["train"])
    assert len(parts["test"]) == 8


def test_one_image_of_a_class_is_trained_on_and_not_tested(photos: Path, tmp_path: Path) -> None:
    draw(photos / "cat", 1)
    draw(photos / "dog", 4)
    dataset = read(photos, tmp_path / "cache")
    assert sorted(dataset.train.labels[:, 0]) == [0, 1, 1, 1]
    (photos / "dog" / "1.png").unlink()
    (photos / "dog" / "2.png").unlink()
    (photos / "dog" / "3.png").unlink()
    with pytest.raises(UserError, match="no test image whose class is known; with two images of a class and more"):
        read(photos, tmp_path / "cache")


def test_unreadable_images_up_to_a_share(photos: Path, tmp_path: Path) -> None:
    (pets(photos) / "plants" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    said: list[str] = []
    dataset = read(photos, tmp_path / "cache", said, unreadable_share=0.05)
    assert len(dataset.train) + len(dataset.test) == 19
    assert said[1].startswith("unreadable: cannot read")
    assert said[2] == "1 of 20 images cannot be read and is left out"
    with pytest.raises(UserError, match=r"1 of 20 images of .*photos cannot be read, more than data.unreadable_share"):
        read(photos, tmp_path / "cache", unreadable_share=0.04)


def test_a_class_without_a_readable_image_is_named(photos: Path, tmp_path: Path) -> None:
    pets(photos)
    draw(photos / "stones", 0)
    (photos / "stones" / "a.jpg").write_text("no picture")
    with pytest.raises(UserError, match=r"class stones of .*photos has no readable image to train on"):
        read(photos, tmp_path / "cache", unreadable_share=0.5)


def test_one_content_under_two_labels_or_in_two_parts_is_said(photos: Path, tmp_path: Path) -> None:
    draw(photos / "train" / "cat", 3)
    draw(photos / "train" / "dog", 3)
    draw(photos / "test" / "cat", 2)
    draw(photos / "test" / "dog", 2)
    copy = (photos / "train" / "cat" / "0.png").read_bytes()
    (photos / "train" / "dog" / "copy.png").write_bytes(copy)
    (photos / "test" / "cat" / "copy.png").write_bytes(copy)
    said: list[str] = []
    read(photos, tmp_path / "cache", said)
    assert "1 image stands under two labels: the network is taught both" in said[1]
    assert "1 image stands in two parts of the split: test figures will flatter" in said[2]


# ---- classes of unequal size


LABELS = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [-1, 0], [2, 1]])


def test_class_weights_by_hand() -> None:
    leaves, groups = class_weights(LABELS, (4, 2))
    np.testing.assert_allclose(leaves, [5 / 9, 5 / 3, 5 / 3, 1])  # 5 known images, 3 classes that have some
    np.testing.assert_allclose(groups, [6 / 10, 6 / 2])


def test_sampling_shares_by_hand() -> None:
    np.testing.assert_allclose(sampling_shares(LABELS), [1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 4, 1 / 4])


def test_what_is_kept_of_a_pack_is_plain(photos: Path, tmp_path: Path) -> None:
    draw(photos, 1)
    packed([photos / "0.png"], tmp_path / "cache", [])
    (place,) = (tmp_path / "cache").iterdir()
    about = json.loads((place / "pack.json").read_text())
    assert set(about) == {"digests", "unreadable"}
    assert (place / "pixels.u8").stat().st_size == 3 * 32 * 32
