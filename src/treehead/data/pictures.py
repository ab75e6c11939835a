"""Image files of any size and format, made into what a network takes."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from treehead.types import Array, UserError

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".jpx", ".png", ".apng", ".gif", ".webp", ".avif"),
        *(".tif", ".tiff", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".qoi", ".heic", ".heif"),
    )
)
"""Names of image files end like this. Pillow does not read the last two: better told so than passed over."""


def is_picture_name(name: str) -> bool:
    """Whether a file in a folder counts as an image: by its suffix, and not where a dot begins its name."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


class NotAPicture(UserError):
    """The bytes are in no image format that is read here."""


class TooManyPixels(UserError):
    """The image would take more memory than may be spent on one."""


def read_picture(path: Path, *, shape: tuple[int, int, int]) -> Array:
    """Decode a file and fit it to `shape`, see `decode_picture`.

    Raises: UserError: no such file, not an image, or too large to be decoded safely (Pillow's limit).
    """
    return decode_picture(path, str(path), shape=shape)


def decode_picture(
    source: Path | BinaryIO,
    name: str,
    *,
    shape: tuple[int, int, int],
    formats: tuple[str, ...] | None = None,
    most_pixels: int | None = None,
) -> Array:
    """Decode an image and fit it to `shape` (C, H, W): short side first, then the centre is cut out.

    Returns: (C, H, W) uint8; C = 3 is RGB, C = 1 is grey.
    Conventions: turned upright by its EXIF orientation; transparency is laid on white; bicubic. A JPEG of at least four
        times the size is shrunk by its decoder to no less than twice the size first. `name` is what messages call it;
        `formats` are those of Pillow's that are read, all if None; `most_pixels` Pillow's limit if None. Safe to call
        in threads.
    Raises: NotAPicture, TooManyPixels; UserError: there is no such file, or it is damaged.
    """
    channels, height, width = shape
    try:
        with Image.open(source, formats=formats) as file:
            if file.width * file.height > (most_pixels or Image.MAX_IMAGE_PIXELS or float("inf")):
                raise Image.DecompressionBombError  # from half of what Pillow itself refuses, it only warns
            file.draft(None, (2 * width, 2 * height))
            flat = _on_white(ImageOps.exif_transpose(file)).convert("RGB" if channels == 3 else "L")
    except FileNotFoundError:
        raise UserError(f"there is no image at {name}") from None
    except UnidentifiedImageError:
        read = f"none of {', '.join(formats)}" if formats else "not an image in any format Pillow reads"
        raise NotAPicture(f"{name} is {read}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels(f"{name} has too many pixels to be decoded safely; make it smaller first") from None
    except Exception as error:  # a decoder that meets arbitrary bytes raises anything
        raise UserError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None
    fitted = ImageOps.fit(flat, (width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.atleast_3d(np.asarray(fitted)).transpose(2, 0, 1))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
