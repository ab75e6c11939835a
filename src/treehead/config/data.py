"""Images, splits and augmentation."""

from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from treehead.config.section import Section


class DataConfig(Section):
    """The data set and its split."""

    name: Literal["cifar100", "shapes", "folder", "manifest", "arrays"] = "cifar100"
    """`cifar100`; generated `shapes`; a `folder` of folders; a CSV or Parquet `manifest`; `arrays` from Python."""
    root: Path | None = None
    """Path of the folder, manifest or archive; if not set, CIFAR-100 is read from TREEHEAD_DATA or downloaded."""
    tree: str = "haf8"
    """Label tree of CIFAR-100: haf8, bcnn8, superclass or haf5; ignored for other data sets."""
    split: str = Field(default="official", pattern=r"^(official|[1-9]\d?:[1-9]\d?)$")
    """`official`, or train:validation in percent such as 80:20 or 90:10, stratified by leaf."""
    pool: Literal["train", "all"] = "train"
    """What a percentage splits: the training images (`train`), or training and test images together (`all`)."""
    calibration: float = Field(default=0.0, ge=0, lt=1)
    """Fraction of the training images kept for calibration, stratified by leaf; 0: the validation images, if any."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """Class balancing: `weights` in the loss, or `sampling` rare classes more often."""
    image_px: int = Field(default=64, ge=32, le=224)
    """Size of custom images: the short side is resized to it, then the centre is cropped."""
    levels: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Level names of a custom tree, leaves first; for a manifest, also its label columns."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Fraction of custom images held out as the test set, unless folder or manifest define one."""
    unreadable_share: float = Field(default=0.05, ge=0, lt=1)
    """Largest fraction of custom images that may be unreadable; they are listed and skipped."""
    cache: Path | None = None
    """Cache folder for custom images after resizing; the platform's cache folder if not set."""


class ShrinkConfig(Section):
    """A part of the training at a smaller image size (progressive resizing)."""

    until: float = Field(gt=0, le=1)
    """Fraction of the epochs at which this part ends."""
    pixels: int = Field(ge=4, le=4096)
    """Height and width of the images in this part."""


class AugmentConfig(Section):
    """Augmentation of the training images, drawn anew in every epoch."""

    crop_px: int = Field(default=4, ge=0, le=4096)
    """Padding of the random crop in pixels, by reflection; 0 disables it."""
    flip: bool = True
    """Horizontal flip with probability 0.5."""
    alternating_flip: bool = False
    """Flip each image in every second epoch instead, half of the images in the first."""
    cutout_px: int = Field(default=0, ge=0, le=4096)
    """Side of the Cutout square in pixels, filled with the mean colour; 0 disables it."""
    cutmix: float = Field(default=0.0, ge=0, le=1)
    """Probability of CutMix per image; 0 disables it."""
    cutmix_until: float = Field(default=1.0, gt=0, le=1)
    """Fraction of the epochs with CutMix; the last epochs have none."""
    shrink: tuple[ShrinkConfig, ...] = ()
    """Progressive resizing, smaller images in early epochs: [{until = 0.3, pixels = 20}]; in order of `until`."""

    @field_validator("shrink")
    @classmethod
    def _in_order(cls, parts: tuple[ShrinkConfig, ...]) -> tuple[ShrinkConfig, ...]:
        if any(after.until <= before.until for before, after in pairwise(parts)):
            raise ValueError("the parts must be in increasing order of `until`")
        return parts
