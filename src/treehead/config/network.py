"""The trunk that all heads share."""

from typing import Annotated, Literal

from pydantic import Field

from treehead.config.section import Section


class ReluConfig(Section):
    kind: Literal["relu"] = "relu"
    """max(0, x)."""


class LeakyReluConfig(Section):
    kind: Literal["leaky_relu"] = "leaky_relu"
    """x where it is positive, slope * x where not."""
    slope: float = Field(default=0.1, gt=0, lt=1)
    """What negative values are multiplied by."""


class StageConfig(Section):
    """One resolution of the trunk: a convolution that widens and shrinks, then residual blocks."""

    width: int = Field(ge=1)
    """Channels of the stage."""
    shrink: Literal["pool", "stride", "none"] = "pool"
    """How the image is halved: max pooling after the convolution, a stride of 2 in it, or not at all."""
    residuals: int = Field(default=1, ge=0)
    """Residual blocks of two 3x3 convolutions."""
    middle: int | None = Field(default=None, ge=1)
    """Channels between the two convolutions of a block; the stage's width if not given."""


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
    )
    """From the image to the features."""
    grow: bool = False
    """Put narrow stages in front for large images, until the last feature map is at most 8 pixels."""
    activation: Annotated[ReluConfig | LeakyReluConfig, Field(discriminator="kind")] = ReluConfig()
    norm: Literal["batch", "none"] = "batch"
    """What follows a convolution: batch normalisation, or nothing (which wants a far smaller learning rate)."""
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Widths of fully connected layers between the pooled features and the heads."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the features that is dropped before the heads while training."""
