"""Image files of any size and format, made into what a network takes."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from treehead.types import Array, UserError


def read_picture(path: Path, *, shape: tuple[int, int, int]) -> Array:
    """Decode a file and fit it to `shape` (C, H, W): short side first, then the centre is cut out.

    Returns: (C, H, W) uint8; C = 3 is RGB, C = 1 is grey.
    Conventions: turned upright by its EXIF orientation; transparency is laid on white; bicubic.
    Raises: UserError: no such file, not an image, or too large to be decoded safely (Pillow's limit).
    """
    channels, height, width = shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                upright = ImageOps.exif_transpose(file).convert("RGBA")
    except FileNotFoundError:
        raise UserError(f"there is no image at {path}") from None
    except UnidentifiedImageError:
        raise UserError(f"{path} is not an image in any format Pillow reads") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"{path} has too many pixels to be decoded safely; make it smaller first") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    paper = Image.new("RGBA", upright.size, "white")
    flat = Image.alpha_composite(paper, upright).convert("RGB" if channels == 3 else "L")
    fitted = ImageOps.fit(flat, (width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.atleast_3d(np.asarray(fitted)).transpose(2, 0, 1))
