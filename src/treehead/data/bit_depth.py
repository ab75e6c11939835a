"""Grey images of more than 8 bits, and of floating-point numbers, as 8 bits without losing what they show.

Pillow's own conversion cuts every value above 255 off, which makes an X-ray or a thermal image all white.
"""

import numpy as np
from PIL import Image

from treehead.types import Array

DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes for them."""
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
TWELVE = "16-bit images whose values end at 4,095 are read as 12-bit images"
OWN_RANGE = "images of 32-bit numbers state no range: each is scaled from its own least value to its greatest"


def as_bytes(image: Image.Image) -> tuple[Image.Image, str | None]:
    """A loaded image whose mode is in `DEEP`, in mode L; and what had to be assumed about its range, if anything.

    Conventions: 16-bit values are divided by the greatest value of the depth that the file states. If it states 16 bits
        and nothing is above 4,095, it is a 12-bit image: cameras and scanners write those into 16 bits. Numbers of 32
        bits are taken as they are from 0 to 255, floating-point numbers from 0 to 1 are multiplied by 255, and others
        are scaled from the least to the greatest of the image. NaN is the least.
    """
    values = np.asarray(image)
    low, high, assumed = _range(values, image)
    shares = (np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low) - low) / (high - low)
    if _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO:
        shares = 1 - shares
    grey = Image.fromarray(np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8))
    return grey, assumed


def _range(values: Array, image: Image.Image) -> tuple[float, float, str | None]:
    """The values that become black and white, and what was assumed."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if image.mode.startswith("I;16") or image.format == "PPM":
        depth = _tag(image, BITS_PER_SAMPLE)
        if isinstance(depth, int) and 8 < depth < 16:
            return 0, 2**depth - 1, None
        return (0, 2**12 - 1, TWELVE) if 255 < greatest < 2**12 else (0, 2**16 - 1, None)
    if image.mode == "F" and least >= 0 and greatest <= 1:
        return 0, 1, None
    if least >= 0 and greatest <= 255:
        return 0, 255, None
    return least, greatest if greatest > least else least + 1, OWN_RANGE


def _tag(image: Image.Image, tag: int) -> object:
    """A number among the tags of a TIFF image; None in other formats."""
    value = getattr(image, "tag_v2", {}).get(tag)
    return value[0] if isinstance(value, tuple) and value else value
