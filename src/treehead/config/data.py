"""Which images, and how they are varied."""

from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from treehead.config.section import Section


class DataConfig(Section):
    """Which images, and which of them are trained on."""

    name: Literal["cifar100", "shapes", "folder", "manifest", "arrays"] = "cifar100"
    """`cifar100`; drawn `shapes`; your own `folder` of folders, CSV or Parquet `manifest`, or `arrays` from Python."""
    root: Path | None = None
    """Folder, manifest or archive of the data set; CIFAR-100 without it: TREEHEAD_DATA, the cache, a download."""
    tree: str = "haf8"
    """Label tree of CIFAR-100: haf8, bcnn8, superclass or haf5. Other data sets have their own."""
    split: str = Field(default="official", pattern=r"^(official|[1-9]\d?:[1-9]\d?)$")
    """`official`, or train:validation in percent such as 80:20 and 90:10, stratified by leaf."""
    pool: Literal["train", "all"] = "train"
    """What a percentage splits: the training images alone, or `all` images together."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """Make unequal classes count alike: by `weights` in the loss, or by `sampling` rare ones more often."""
    image_px: int = Field(default=64, ge=32, le=224)
    """Height and width that one's own images are fitted to: the short side, then the centre."""
    levels: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of the levels of one's own tree, leaves first; of a manifest also its columns."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of one's own images held out for the test where folder or manifest name none."""
    unreadable_share: float = Field(default=0.05, ge=0, lt=1)
    """Largest share of one's own images that may be unreadable; they are listed and left out."""
    cache: Path | None = None
    """Where one's own images are kept decoded; the platform's cache folder if not given."""


class ShrinkConfig(Section):
    """A part of the training at a smaller image size."""

    until: float = Field(gt=0, le=1)
    """Share of the epochs up to which images are shrunk so."""
    pixels: int = Field(ge=4)
    """Height and width they are shrunk to."""


class AugmentConfig(Section):
    """How the training images are varied, anew in every epoch."""

    crop_px: int = Field(default=4, ge=0)
    """Largest shift of the random crop in each direction, in pixels; the border is reflected."""
    flip: bool = True
    """Mirror left and right with probability one half."""
    cutout_px: int = Field(default=0, ge=0)
    """Side of a square, somewhere in the image, that is blanked out with the mean colour; 0 blanks nothing."""
    cutmix: float = Field(default=0.0, ge=0, le=1)
    """Share of the images that get a rectangle of another image, and of its label as much."""
    cutmix_until: float = Field(default=1.0, gt=0, le=1)
    """Share of the epochs up to which images are mixed; after that they are as those that will be asked about."""
    shrink: tuple[ShrinkConfig, ...] = ()
    """Smaller images in early epochs, which cost less: [{until = 0.3, pixels = 20}]; in order of `until`."""

    @field_validator("shrink")
    @classmethod
    def _in_order(cls, parts: tuple[ShrinkConfig, ...]) -> tuple[ShrinkConfig, ...]:
        if any(after.until <= before.until for before, after in pairwise(parts)):
            raise ValueError("its parts must stand in order of `until`, each later than the one before")
        return parts
