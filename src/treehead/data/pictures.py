"""Image files of any size and format, made into what a network takes."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from treehead.types import Array, UserError


def read_picture(path: Path, *, shape: tuple[int, int, int]) -> Array:
    """Decode a file and fit it to `shape` (C, H, W): short side first, then the centre is cut out.

    Returns: (C, H, W) uint8; C = 3 is RGB, C = 1 is grey.
    Conventions: turned upright by its EXIF orientation; transparency is laid on white; bicubic. A JPEG of at least four
        times the size is shrunk by its decoder to no less than twice the size first. Safe to call in threads.
    Raises: UserError: no such file, not an image, or too large to be decoded safely (Pillow's limit).
    """
    channels, height, width = shape
    try:
        with Image.open(path) as file:
            if file.width * file.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
                raise Image.DecompressionBombError  # from half of what Pillow itself refuses, it only warns
            file.draft(None, (2 * width, 2 * height))
            flat = _on_white(ImageOps.exif_transpose(file)).convert("RGB" if channels == 3 else "L")
    except FileNotFoundError:
        raise UserError(f"there is no image at {path}") from None
    except UnidentifiedImageError:
        raise UserError(f"{path} is not an image in any format Pillow reads") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"{path} has too many pixels to be decoded safely; make it smaller first") from None
    except Exception as error:  # a decoder that meets arbitrary bytes raises anything
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    fitted = ImageOps.fit(flat, (width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.atleast_3d(np.asarray(fitted)).transpose(2, 0, 1))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
