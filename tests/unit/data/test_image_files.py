"""Image files: found in folders, read in threads a batch at a time, and refused with a reason."""

import io
import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from treehead.data.image_batches import find_images, read_batches
from treehead.data.image_file import SUFFIXES, pixels_of, read_image
from treehead.types import Array, UserError

SHAPE = (3, 8, 8)


def save(path: Path, *, size: tuple[int, int] = (8, 8), colour: object = "red", mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)  # pyright: ignore[reportArgumentType]
    return path


def test_folders_are_searched_in_order_and_named_files_need_no_suffix(tmp_path: Path) -> None:
    names = ["b/2.png", "b/10.JPG", "a/deep/er/x y.webp", "b/.hidden.png", ".git/z.png"]
    for name in names:
        save(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)  # a folder in itself
    odd = save(tmp_path / "odd.png").rename(tmp_path / "odd")
    paths = [path.relative_to(tmp_path).as_posix() for path in find_images([odd, tmp_path])]
    assert paths == ["odd", "a/deep/er/x y.webp", "b/10.JPG", "b/2.png"]


def test_suffixes_are_those_that_pillow_reads_and_heic() -> None:
    readable = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    assert SUFFIXES - readable == {".heic", ".heif"}


def test_a_missing_file_is_reported_before_any_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no image at .*nothing\.png"):
        find_images([tmp_path, tmp_path / "nothing.png"])


def test_batches_keep_the_order_and_list_failures(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", colour=(i, 0, 0)) for i in range(7)]
    paths[3].write_bytes(paths[3].read_bytes()[:40])
    os.truncate(paths[5], 0)
    batches = list(read_batches(paths, shape=SHAPE, threads=2, batch_size=3))
    assert [len(batch.paths) for batch in batches] == [3, 1, 1]
    assert [path.stem for batch in batches for path in batch.paths] == ["0", "1", "2", "4", "6"]
    np.testing.assert_array_equal(np.concatenate([batch.pixels[:, 0, 0, 0] for batch in batches]), [0, 1, 2, 4, 6])
    assert [path.stem for batch in batches for path, _ in batch.failures] == ["3", "5"]
    assert all(str(path) in reason for batch in batches for path, reason in batch.failures)


def test_only_a_few_batches_are_in_memory(tmp_path: Path) -> None:
    path = save(tmp_path / "one.png")
    taken = itertools.count()

    def endless() -> Iterator[Path]:
        while next(taken) < 10_000:
            yield path

    batches = read_batches(endless(), shape=SHAPE, threads=2, batch_size=4)
    for _ in range(5):
        next(batches)
    batches.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert next(taken) <= (5 + 2 + 1) * 4 + 1


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "1"])
def test_every_mode_is_read(mode: str, tmp_path: Path) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    path = save(tmp_path / f"x{suffix}", size=(30, 20), colour=0, mode=mode)
    transparent = mode in ("RGBA", "LA")
    for channels in (1, 3):
        pixels = read_image(path, shape=(channels, 8, 8))
        assert pixels.shape == (channels, 8, 8)
        np.testing.assert_array_equal(pixels, 255 if transparent or mode == "CMYK" else 0)  # white background


def test_shrinking_a_jpeg_in_the_decoder_changes_little(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((400, 300))
    image.save(tmp_path / "x.jpg", quality=95)
    image.save(tmp_path / "x.png")
    ours, exact = (read_image(tmp_path / name, shape=(3, 32, 32)).astype(int) for name in ("x.jpg", "x.png"))
    assert np.abs(ours - exact).mean() < 2


def test_too_many_pixels_are_refused_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.png", size=(40, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow itself refuses more than 1,000
    with pytest.raises(UserError, match="has too many pixels to be read safely"):
        read_image(path, shape=SHAPE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    with pytest.raises(UserError, match="has too many pixels"):
        read_image(path, shape=SHAPE)


# ---- more than 8 bits: what the picture shows is kept, or what was assumed is said

RAMP = np.tile(np.linspace(0, 1, 64), (64, 1))


def mean_error(path: Path) -> float:
    """How far the decoded picture is from the ramp that it shows, in grey values."""
    return float(np.abs(read_image(path, shape=(1, 64, 64))[0] - 255 * RAMP).mean())


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_are_scaled_by_their_depth(tmp_path: Path, suffix: str) -> None:
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(tmp_path / f"x{suffix}")
    assert mean_error(tmp_path / f"x{suffix}") < 1


def test_big_endian_is_the_same(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 65535).astype(">u2")).save(tmp_path / "x.tif")
    assert mean_error(tmp_path / "x.tif") < 1


def test_white_is_zero_is_turned_around(tmp_path: Path) -> None:
    Image.fromarray((65535 - RAMP * 65535).astype(np.uint16)).save(tmp_path / "x.tif", tiffinfo={262: 0})
    assert mean_error(tmp_path / "x.tif") < 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_twelve_bits_in_sixteen_are_told(tmp_path: Path, suffix: str) -> None:
    Image.fromarray((RAMP * 4095).astype(np.uint16)).save(tmp_path / f"x{suffix}")
    with pytest.warns(UserWarning, match="16-bit images whose values end at 4,095 are read as 12-bit images"):
        assert mean_error(tmp_path / f"x{suffix}") < 1


@pytest.mark.parametrize(
    ("values", "assumed"),
    [
        (RAMP.astype(np.float32), False),
        ((RAMP * 255).astype(np.float32), False),
        ((RAMP * 255).astype(np.int32), False),
        ((RAMP * 9000 - 3000).astype(np.float32), True),
        ((RAMP * 2**30).astype(np.int32), True),
        ((RAMP * 70_000).astype(np.int32), True),
    ],
)
def test_numbers_of_32_bits_keep_what_they_show(tmp_path: Path, values: Array, assumed: bool) -> None:
    Image.fromarray(values).save(tmp_path / "x.tif")
    notes: list[str] = []
    pixels = read_image(tmp_path / "x.tif", shape=(1, 64, 64), notes=notes)
    assert np.abs(pixels[0] - 255 * RAMP).mean() < 1.5
    assert bool(notes) == assumed
    assert all("state no range" in note for note in notes)


def test_missing_numbers_are_black_and_a_constant_picture_does_not_divide_by_zero(tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[:32] = np.nan
    Image.fromarray(values).save(tmp_path / "x.tif")
    pixels = read_image(tmp_path / "x.tif", shape=(1, 64, 64))
    assert pixels[0, :31].max() == 0
    Image.fromarray(np.full((8, 8), 1e9, np.float32)).save(tmp_path / "y.tif")
    assert read_image(tmp_path / "y.tif", shape=(1, 8, 8), notes=[]).max() == 0


def exif_block(*entries: tuple[int, int, int, bytes]) -> bytes:
    """A little-endian TIFF block of one directory: (tag, type, count, value of four bytes)."""
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 0)


@pytest.mark.parametrize(
    "odd", [None, (0x011A, 2, 3, b"72\0\0"), (0x011A, 1, 1, b"\x48\0\0\0"), (0x0100, 11, 1, struct.pack("<f", 80.5))]
)
def test_a_photograph_is_turned_whatever_else_its_exif_block_says(
    tmp_path: Path, odd: tuple[int, int, int, bytes] | None
) -> None:
    half = np.zeros((40, 80, 3), np.uint8)
    half[:, 40:] = 255
    buffer = io.BytesIO()
    Image.fromarray(half).save(buffer, "JPEG")
    turned = (0x0112, 3, 1, struct.pack("<HH", 6, 0))
    block = exif_block(turned, *([odd] if odd else []))
    jpeg = buffer.getvalue()
    (tmp_path / "x.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:])
    pixels = read_image(tmp_path / "x.jpg", shape=(1, 8, 8))[0]
    assert pixels[:3].max() < 60  # the left half is up
    assert pixels[-3:].min() > 190


def test_a_damaged_exif_block_is_no_reason_to_refuse_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "x.jpg", exif=b"Exif\0\0garbage" * 3)
    assert read_image(tmp_path / "x.jpg", shape=SHAPE)[0].min() > 200


# ---- what `predict` takes


def test_one_picture_a_path_and_any_iterable_are_images(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png")
    expected = read_image(path, shape=SHAPE)
    with Image.open(path) as opened:
        for given in (str(path), path, [path], (str(path),), iter([path]), tmp_path.glob("*.png"), opened, [opened]):
            np.testing.assert_array_equal(pixels_of(given, SHAPE), expected[None])
    np.testing.assert_array_equal(pixels_of(expected, SHAPE), expected[None])
    for given, message in (
        ([], "no images given"),
        (np.zeros((0, *SHAPE), np.uint8), "no images given"),
        (7, "got a int"),
        ([7], "expected a path or an image of Pillow's, got a int"),
        (expected.astype(float), "expected"),
        ("nothing.png", "there is no image at nothing.png"),
    ):
        with pytest.raises(UserError, match=message):
            pixels_of(given, SHAPE)
