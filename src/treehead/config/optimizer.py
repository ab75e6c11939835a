"""How weights are stepped, and how fast."""

from typing import Annotated, Literal

from pydantic import Field

from treehead.config.section import Section


class AdamConfig(Section):
    """Adam with decoupled weight decay (AdamW)."""

    kind: Literal["adam"] = "adam"
    """Adam with decoupled weight decay (AdamW)."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Peak step size, before the schedule scales it."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay of the gradient mean and mean square, per step."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root mean square, after bias correction."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Kernels shrink by learning_rate * weight_decay a step; biases and norms do not."""


class SgdConfig(Section):
    """Stochastic gradient descent with Nesterov momentum."""

    kind: Literal["sgd"] = "sgd"
    """Stochastic gradient descent with momentum."""
    learning_rate: float = Field(default=0.2, gt=0)
    """Peak step size, before the schedule scales it."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of the last step that is taken again."""
    nesterov: bool = True
    """Look ahead along the momentum before stepping."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Added to a kernel's gradient, times the kernel; not to biases and norms."""


class MuonConfig(Section):
    """Orthogonalised momentum for convolution kernels, Adam for all else."""

    kind: Literal["muon"] = "muon"
    """Orthogonalised momentum for convolution kernels of a fixed norm, Adam for all else."""
    learning_rate: float = Field(default=0.18, gt=0)
    """Peak step size of the convolution kernels, before the schedule scales it."""
    momentum: float = Field(default=0.6, ge=0, lt=1)
    """Share of the last direction that is kept, before it is orthogonalised."""
    adam_learning_rate: float = Field(default=4e-3, gt=0)
    """Peak step size of heads, norms and biases."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Adam's: decay of the gradient mean and mean square, per step."""
    eps: float = Field(default=1e-8, gt=0)
    """Adam's: added to the root mean square, after bias correction."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of the weights of linear layers, as for Adam; convolution kernels keep their norm instead."""


class ScheduleConfig(Section):
    """The learning rate as a share of its peak."""

    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps in which the rate climbs in a line from 0 to its peak."""
    decay: Literal["linear", "cosine", "constant"] = "linear"
    """How it falls to 0 afterwards."""


class SharpnessConfig(Section):
    """Sharpness-aware steps: they make for weights around which the loss is low everywhere."""

    radius: float = Field(default=0.0, ge=0)
    """The gradient is taken where the loss is worst this near, in each kernel's own norm; 0: where the weights are."""
    begin: float = Field(default=0.8, ge=0, lt=1)
    """Share of the epochs after which the radius holds; a step then costs two passes."""


Optimizer = Annotated[AdamConfig | SgdConfig | MuonConfig, Field(discriminator="kind")]
