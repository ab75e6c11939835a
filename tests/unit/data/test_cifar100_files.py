"""A synthetic release of two images per leaf, and every way its files can be damaged."""

import contextlib
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from treehead.data import cifar100
from treehead.data.cifar100 import ARCHIVE, FOLDER, RECORD, Release, check, find, read
from treehead.data.dataset import channel_statistics
from treehead.hierarchy.cifar100 import cifar100_tree
from treehead.types import Array, UserError

TREE = cifar100_tree()
PER_LEAF = {"train.bin": 2, "test.bin": 1}


def records(per_leaf: int) -> Array:
    """(N, RECORD) uint8: superclass byte, fine byte, planes; plane c of image i is filled with i + 50 * c."""
    fine = np.tile(np.arange(100), per_leaf)
    planes = (np.arange(len(fine))[:, None] + 50 * np.arange(3)).repeat(32 * 32, axis=1)
    return np.column_stack([TREE.ancestors[1][fine], fine, planes % 256]).astype(np.uint8)


FILES = {name: records(per_leaf).tobytes() for name, per_leaf in PER_LEAF.items()}
MEAN, STD = channel_statistics(records(2)[:, 2:].reshape(-1, 3, 32, 32))


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


PACKED = packed(FILES)
MD5 = hashlib.md5(PACKED, usedforsecurity=False).hexdigest()
RELEASE = Release(tuple(PER_LEAF.items()), MD5, tuple(MEAN), tuple(STD))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    archive = tmp_path / ARCHIVE
    archive.write_bytes(PACKED)
    return archive


def damage(file: Path, at: int, value: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] = value
    file.write_bytes(content)


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_reading_gives_planes_and_a_label_per_level(kind: str, request: pytest.FixtureRequest) -> None:
    dataset = read(request.getfixturevalue(kind), TREE, RELEASE)
    assert dataset.name == "cifar100"
    assert (dataset.train.pixels.shape, dataset.test.pixels.shape) == ((200, 3, 32, 32), (100, 3, 32, 32))
    assert dataset.train.pixels.dtype == np.uint8
    assert (dataset.train.pixels[7] == np.array([7, 57, 107])[:, None, None]).all()
    np.testing.assert_array_equal(dataset.train.labels, TREE.label_paths(np.tile(np.arange(100), 2)))


def test_check_lists_every_fact_that_holds(folder: Path, archive: Path) -> None:
    lines = list(check(folder, TREE, RELEASE))
    assert lines[0] == "train.bin: 614,800 bytes, 200 records, 2 images of every leaf"
    assert lines[1] == "train.bin: all 200 superclass bytes agree with the tree"
    assert lines[-1].startswith("train.bin: channel standard deviations 0.2")
    assert list(check(archive, TREE, RELEASE)) == [f"{ARCHIVE}: MD5 {MD5}", *lines]


@pytest.mark.parametrize("kind", ["folder", "archive", "tmp_path"])
def test_find_accepts_the_folder_the_archive_and_the_folder_above(kind: str, request: pytest.FixtureRequest) -> None:
    expected = request.getfixturevalue("folder" if kind == "tmp_path" else kind)
    place = request.getfixturevalue(kind)
    nowhere = Path("/nowhere")
    assert find(place, named_by_environment="/elsewhere", cache=nowhere) == expected
    assert find(None, named_by_environment=str(place), cache=nowhere) == expected
    assert find(None, named_by_environment=None, cache=place) == expected


def test_find_returns_none_without_a_named_place(tmp_path: Path) -> None:
    assert find(None, named_by_environment="", cache=tmp_path) is None
    assert find(None, named_by_environment=None, cache=tmp_path / "not there yet") is None


def test_a_named_place_without_the_release_is_an_error_even_if_the_cache_has_it(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match=rf"data.root = {empty} does not contain CIFAR-100"):
        find(empty, named_by_environment=None, cache=folder)
    with pytest.raises(UserError, match=r"TREEHEAD_DATA = .* does not contain CIFAR-100"):
        find(None, named_by_environment=str(empty), cache=folder)


def test_a_place_without_read_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(UserError, match=r"cannot read .*: Permission denied"):
        find(tmp_path, named_by_environment=None, cache=tmp_path)


def test_a_truncated_file(folder: Path) -> None:
    (folder / "train.bin").write_bytes(FILES["train.bin"][:-1])
    with pytest.raises(UserError, match=r"train.bin: expected 614,800 bytes, found 614,799: truncated or damaged"):
        read(folder, TREE, RELEASE)


def test_swapped_files(folder: Path) -> None:
    (folder / "train.bin").write_bytes(FILES["test.bin"])
    (folder / "test.bin").write_bytes(FILES["train.bin"])
    with pytest.raises(UserError, match=r"train.bin: expected .* bytes, found .*: this is test.bin, the two are swap"):
        read(folder, TREE, RELEASE)


def test_a_missing_file(folder: Path) -> None:
    (folder / "test.bin").unlink()
    with pytest.raises(UserError, match=r"test.bin is missing; `treehead data get cifar100` downloads the release"):
        read(folder, TREE, RELEASE)


def test_a_directory_where_a_file_should_be(folder: Path) -> None:
    (folder / "test.bin").unlink()
    (folder / "test.bin").mkdir()
    with pytest.raises(UserError, match=r"test\.bin is a folder, not a file"):
        read(folder, TREE, RELEASE)


def test_a_fine_byte_out_of_range(folder: Path) -> None:
    damage(folder / "train.bin", 5 * RECORD + 1, 100)
    with pytest.raises(UserError, match=r"train.bin: record 5 has fine label 100, expected 0 to 99"):
        read(folder, TREE, RELEASE)


@pytest.mark.parametrize("superclass", [1, 255])
def test_a_superclass_byte_that_contradicts_the_tree(folder: Path, superclass: int) -> None:
    damage(folder / "test.bin", 0, superclass)
    message = rf"record 0 \('apple'\) has superclass byte {superclass}, expected 4 \('fruit_and_vegetables'\)"
    with pytest.raises(UserError, match=rf"test.bin: {message}"):
        read(folder, TREE, RELEASE)


def test_a_leaf_with_one_image_too_few(folder: Path) -> None:
    first, sibling = (int(leaf) for leaf in np.flatnonzero(TREE.ancestors[1] == 0)[:2])
    damage(folder / "train.bin", first * RECORD + 1, sibling)  # the superclass byte still agrees
    read(folder, TREE, RELEASE)
    with pytest.raises(UserError, match=rf"train.bin: expected 2 images of '{TREE.names[0][first]}', found 1"):
        list(check(folder, TREE, RELEASE))


def test_a_damaged_pixel(folder: Path) -> None:
    damage(folder / "train.bin", RECORD - 1, 255)
    with pytest.raises(UserError, match=r"train.bin: expected channel means 0.\d{8} .*, found .*: damaged pixels"):
        list(check(folder, TREE, RELEASE))


def test_an_archive_of_another_checksum(archive: Path) -> None:
    damage(archive, len(PACKED) // 2, PACKED[len(PACKED) // 2] ^ 1)
    with pytest.raises(UserError, match=rf"{ARCHIVE}: expected MD5 {MD5}, found \w+: damaged; download it again"):
        list(check(archive, TREE, RELEASE))


@pytest.mark.parametrize("at", range(20, len(PACKED), len(PACKED) // 40))
def test_damage_anywhere_in_an_archive_is_a_user_error(archive: Path, at: int) -> None:
    damage(archive, at, PACKED[at] ^ 0x55)
    with pytest.raises(UserError, match=ARCHIVE):
        list(check(archive, TREE, RELEASE))
    with contextlib.suppress(UserError):  # gzip ignores some bytes; only a UserError may be raised
        read(archive, TREE, RELEASE)


@pytest.mark.parametrize("content", [b"", b"not an archive", PACKED[: len(PACKED) // 2], packed({"train.bin": b""})])
def test_a_file_that_is_not_a_whole_archive(archive: Path, content: bytes) -> None:
    archive.write_bytes(content)
    with pytest.raises(UserError, match=ARCHIVE):
        read(archive, TREE, RELEASE)


def test_an_archive_without_a_file_names_it(archive: Path) -> None:
    archive.write_bytes(packed({"train.bin": FILES["train.bin"]}))
    with pytest.raises(UserError, match=rf"{ARCHIVE} is not CIFAR-100's binary release: .*{FOLDER}/test.bin"):
        read(archive, TREE, RELEASE)


def test_an_archive_without_read_permission(monkeypatch: pytest.MonkeyPatch, archive: Path) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UserError, match=f"cannot read .*{ARCHIVE}: Permission denied"):
        list(check(archive, TREE, RELEASE))


def test_the_published_facts() -> None:
    assert cifar100.RELEASE.md5 == "03b5dce01913d631647c71ecec9e9cb8"
    assert [count * 100 * RECORD for _, count in cifar100.RELEASE.per_leaf] == [153_700_000, 30_740_000]
