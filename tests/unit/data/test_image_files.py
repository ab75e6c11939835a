"""Image files: found in folders, read in threads a batch at a time, and refused with a reason."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from treehead.data.image_batches import find_images, read_batches
from treehead.data.image_file import SUFFIXES, read_image
from treehead.types import UserError

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
