"""Read one image file of any size and format into the array that a network takes."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

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
) -> Array:
    """Read an image and fit it to `shape` (C, H, W): resized to cover it, then cropped at the centre.

    Returns: (C, H, W) uint8; C = 3 is RGB, C = 1 is grey.
    Conventions: rotated as its EXIF orientation says; transparency is put on white; bicubic. A JPEG of at least four
        times the size is first shrunk by the JPEG decoder to no less than twice the size. `name` is used in messages,
        by default the path; `formats` are Pillow's names of the formats to read, by default all; `max_pixels` is
        Pillow's limit by default. Thread-safe.
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
            flat = _on_white(ImageOps.exif_transpose(file)).convert("RGB" if channels == 3 else "L")
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
    fitted = ImageOps.fit(flat, (width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.atleast_3d(np.asarray(fitted)).transpose(2, 0, 1))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
