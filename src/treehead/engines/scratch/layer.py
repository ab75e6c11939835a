"""The layer protocol: forward returns the output and its backward (the vector-Jacobian product)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from treehead.engines.scratch.workspace import Workspace
from treehead.types import Array

Backward: TypeAlias = Callable[[Array], Array]  # dy -> dx


@dataclass(slots=True, eq=False)
class Param:
    """One learnable array and its gradient, which each backward pass overwrites."""

    value: Array
    grad: Array = field(init=False)

    def __post_init__(self) -> None:
        self.grad = np.zeros_like(self.value)  # of the same memory order


@dataclass(frozen=True, slots=True)
class Mode:
    """The mode of a pass, given to every layer, so that no layer has hidden flags.

    Conventions: what a pass returns is valid until `work.begin_step()` is called.
    """

    training: bool
    work: Workspace = field(default_factory=Workspace)
    dropout_seed: int = 0
    keep_running: bool = False  # training, but the running statistics of norms stay as they are


class Layer(Protocol):
    """A differentiable function with named parameters and named buffers."""

    def params(self) -> dict[str, Param]: ...
    def buffers(self) -> dict[str, Array]: ...
    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]: ...


class Plain:
    """A layer without parameters and buffers."""

    def params(self) -> dict[str, Param]:
        return {}

    def buffers(self) -> dict[str, Array]:
        return {}
