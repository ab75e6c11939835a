"""Read one image file of any size and format into the array that a network takes."""

import io
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from treehead.data.bit_depth import DEEP, as_bytes
from treehead.inputs import check_regular, cut, printable, shown_path
from treehead.types import Array, UserError

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".jpx", ".png", ".apng", ".gif", ".webp", ".avif"),
        *(".tif", ".tiff", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".qoi", ".heic", ".heif"),
    )
)
"""Suffixes of image files. Pillow does not read the last two: an error is better than skipping them silently."""


def is_image_name(name: str) -> bool:
    """Whether a file in a folder counts as an image: it has the suffix of one and does not begin with a dot."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


class NotAnImage(UserError):
    """The file is not in an image format that is read."""


class TooManyPixels(UserError):
    """The image would take more memory than is allowed for one image."""


def read_image(
    source: Path | BinaryIO,
    *,
    shape: tuple[int, int, int],
    name: str | None = None,
    formats: tuple[str, ...] | None = None,
    max_pixels: int | None = None,
    notes: list[str] | None = None,
) -> Array:
    """Read an image and fit it to `shape` (C, H, W): resized to cover it, then cropped at the centre.

    Returns: (C, H, W) uint8; C = 3 is RGB, C = 1 is grey.
    Conventions: rotated as its EXIF orientation says; transparency is put on white; bicubic. A JPEG of at least four
        times the size is first shrunk by the JPEG decoder to no less than twice the size. `name` is used in messages,
        by default the path; `formats` are Pillow's names of the formats to read, by default all; `max_pixels` is
        Pillow's limit by default. Grey images of more than 8 bits are scaled, see `bit_depth`; what had to be assumed
        about their range is added to `notes` or, without it, a warning. Thread-safe.
    Raises: NotAnImage, TooManyPixels; UserError: there is no such file, or it is damaged.
    """
    name = shown_path(name or str(source))
    channels, height, width = shape
    try:
        if isinstance(source, Path):
            check_regular(source)
        with Image.open(source, formats=formats) as file:
            if file.width * file.height > (max_pixels or Image.MAX_IMAGE_PIXELS or float("inf")):
                raise Image.DecompressionBombError  # Pillow itself only warns below twice its limit
            file.draft(None, (2 * width, 2 * height))
            flat, assumed = _flat(file)
            flat = flat.convert("RGB" if channels == 3 else "L")
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no image at {name}") from None
    except UnidentifiedImageError:
        accepted = f"any of the formats {', '.join(formats)}" if formats else "any format Pillow reads"
        raise NotAnImage(f"{name} is not an image in {accepted}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels(f"{name} has too many pixels to be read safely; make it smaller first") from None
    except Exception as error:  # Pillow raises errors of any type for damaged files
        reason = cut(printable(str(getattr(error, "strerror", None) or error)))
        raise UserError(f"cannot read {name}: {reason or type(error).__name__}") from None
    if assumed:
        notes.append(assumed) if notes is not None else warnings.warn(assumed, UserWarning, stacklevel=2)
    fitted = ImageOps.fit(flat, (width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.atleast_3d(np.asarray(fitted)).transpose(2, 0, 1))


def pixels_of(images: object, shape: tuple[int, int, int]) -> Array:
    """One image or several, from files or Pillow or as pixels, as (N, C, H, W) uint8.

    Args:
        images: A path, an image of Pillow's, an array (C, H, W) or (N, C, H, W), or an iterable of paths and images.
        shape: (C, H, W).

    Raises:
        UserError: There are no images, a file is not an image, or an array has another shape or dtype.
    """
    if isinstance(images, str | Path | Image.Image):
        images = [images]
    if isinstance(images, np.ndarray) and images.dtype.kind not in "OUS":
        pixels = images[None] if images.ndim == 3 else images
        if pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
            expected = ", ".join(map(str, shape))
            raise UserError(f"expected (N, {expected}) uint8, got {pixels.shape} {pixels.dtype}")
        if not len(pixels):
            raise UserError("no images given")
        return pixels
    if not isinstance(images, Iterable):
        raise UserError(f"expected image files, images or pixels, got a {type(images).__name__}")
    read = [_fitted(image, shape) for image in images]
    if not read:
        raise UserError("no images given")
    return np.stack(read)


def _fitted(image: object, shape: tuple[int, int, int]) -> Array:
    if isinstance(image, str | Path):
        return read_image(Path(image), shape=shape)
    if not isinstance(image, Image.Image):
        raise UserError(f"expected a path or an image of Pillow's, got a {type(image).__name__}")
    file = io.BytesIO()
    image.save(file, "TIFF")  # so that it is read as any other
    file.seek(0)
    return read_image(file, shape=shape, name="the image")


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How an image is turned upright, by its EXIF orientation."""


def _flat(file: Image.Image) -> tuple[Image.Image, str | None]:
    """The upright image in 8 bits without transparency, and what was assumed about its range."""
    file.load()
    image, assumed = as_bytes(file) if file.mode in DEEP else (file, None)
    turn = TURNS.get(_orientation(file))
    return _on_white(image if turn is None else image.transpose(turn)), assumed


def _orientation(file: Image.Image) -> int:
    """The orientation in the EXIF block, 1 where it cannot be read. Pillow has turned TIFF images by itself."""
    try:
        return int(file.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged block is no reason to refuse sound pixels
        return 1


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
