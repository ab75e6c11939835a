"""Optimizer, learning rate schedule and SAM."""

from typing import Annotated, Literal

from pydantic import Field

from treehead.config.section import Section


class AdamConfig(Section):
    """Adam with decoupled weight decay (AdamW)."""

    kind: Literal["adam"] = "adam"
    """Adam with decoupled weight decay (AdamW)."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Peak learning rate, scaled by the schedule."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root mean square, after bias correction."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Decoupled weight decay of kernels; biases and norms have none."""


class SgdConfig(Section):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    """Stochastic gradient descent with momentum."""
    learning_rate: float = Field(default=0.2, gt=0)
    """Peak learning rate, scaled by the schedule."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum; 0 disables it."""
    nesterov: bool = True
    """Nesterov momentum."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """L2 weight decay of kernels, added to their gradient; biases and norms have none."""


class MuonConfig(Section):
    """Muon (orthogonalised momentum) for convolution kernels, Adam for all other parameters."""

    kind: Literal["muon"] = "muon"
    """Muon: orthogonalised momentum for convolution kernels of fixed norm; Adam for all other parameters."""
    learning_rate: float = Field(default=0.18, gt=0)
    """Peak learning rate of the convolution kernels, scaled by the schedule."""
    momentum: float = Field(default=0.6, ge=0, lt=1)
    """Nesterov momentum of the gradient before it is orthogonalised."""
    adam_learning_rate: float = Field(default=4e-3, gt=0)
    """Peak learning rate of Adam: linear layers, norms and biases."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay rates of Adam's running means of the gradient and its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to Adam's root mean square, after bias correction."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Decoupled weight decay of linear layers; convolution kernels have a fixed norm instead."""


class ScheduleConfig(Section):
    """The learning rate schedule, relative to the peak."""

    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of all steps with linear warmup from 0 to the peak learning rate."""
    decay: Literal["linear", "cosine", "constant"] = "linear"
    """Decay from the peak to 0 after the warmup; `constant`: no decay."""


class SamConfig(Section):
    """Sharpness-aware minimisation (SAM)."""

    radius: float = Field(default=0.0, ge=0)
    """SAM radius, relative to the norm of each kernel; 0 disables SAM."""
    begin: float = Field(default=0.8, ge=0, lt=1)
    """Fraction of the epochs without SAM at the start of training; a SAM step costs two passes."""


Optimizer = Annotated[AdamConfig | SgdConfig | MuonConfig, Field(discriminator="kind")]
