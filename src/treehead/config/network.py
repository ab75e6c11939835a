"""The network: the trunk that all heads share."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from treehead.config.section import Section

MOST_CHANNELS = 8192
"""Of a layer; a network has at most `spec.MOST_PARAMETERS` parameters besides."""


class ReluConfig(Section):
    kind: Literal["relu"] = "relu"
    """max(0, x)."""


class LeakyReluConfig(Section):
    kind: Literal["leaky_relu"] = "leaky_relu"
    """x if x > 0, else slope * x."""
    slope: float = Field(default=0.1, gt=0, lt=1)
    """Factor for negative values."""


class SiluConfig(Section):
    kind: Literal["silu"] = "silu"
    """x * sigmoid(x)."""


KernelSize = Annotated[int, Field(ge=1, le=7)]


class StageConfig(Section):
    """One resolution of the trunk: a convolution that changes width and resolution, then residual blocks."""

    width: int = Field(ge=1, le=MOST_CHANNELS)
    """Channels of the stage."""
    kernel_size: KernelSize = 3
    """Kernel size of the first convolution. An odd size keeps height and width, an even one has no padding."""
    shrink: Literal["pool", "stride", "none"] = "pool"
    """Downsampling by 2: `pool`, max pooling after the convolution; `stride`, stride 2; `none`."""
    residuals: int = Field(default=1, ge=0, le=1000)
    """Number of residual blocks of two convolutions."""
    residual_kernels: tuple[KernelSize, KernelSize] = (3, 3)
    """Kernel sizes of the two convolutions of a residual block; odd."""
    middle: int | None = Field(default=None, ge=1, le=MOST_CHANNELS)
    """Channels between the two convolutions of a residual block; the stage's width if not set."""

    @field_validator("residual_kernels")
    @classmethod
    def _keep_the_size(cls, sizes: tuple[int, int]) -> tuple[int, int]:
        if not all(size % 2 for size in sizes):
            raise ValueError("kernel sizes of a residual block must be odd, so that its output has the input's size")
        return sizes


class NetworkConfig(Section):
    """The trunk that all heads share."""

    stages: tuple[StageConfig, ...] = Field(
        default=(
            StageConfig(width=24, shrink="none", residuals=0),
            StageConfig(width=56, middle=32),
            StageConfig(width=112, middle=112),
            StageConfig(width=256, middle=400),
        ),
        min_length=1,
        max_length=32,
    )
    """Stages from the image to the features."""
    whitening_px: int = Field(default=0, ge=0, le=3)
    """Kernel size of a patch-whitening convolution before the stages, computed from the training images and not
    trained; 0: none."""
    grow: bool = False
    """Prepend narrow stages for large images, until the last feature map is at most 8 pixels wide."""
    activation: Annotated[ReluConfig | LeakyReluConfig | SiluConfig, Field(discriminator="kind")] = ReluConfig()
    norm: Literal["batch", "none"] = "batch"
    """Normalisation after each convolution: `batch`, or `none` (which needs a far smaller learning rate)."""
    pool: Literal["mean", "mean_max"] = "mean"
    """Features of the last feature map: the mean of each channel, or its mean and its maximum."""
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=MOST_CHANNELS)], ...], Field(max_length=32)] = ()
    """Widths of fully connected layers between the pooled features and the heads."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate of the features before the heads."""
    init: Literal["he", "dirac"] = "he"
    """Initial kernels: `he`, normally distributed; `dirac`, the same, but the first output channels copy their
    input."""
    head_init: float = Field(default=1.0, ge=0)
    """Factor of the heads' initial weights."""
