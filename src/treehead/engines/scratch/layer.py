"""What a layer is: a function that also gives the function that undoes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from treehead.engines.scratch.workspace import Workspace
from treehead.types import Array

Backward: TypeAlias = Callable[[Array], Array]  # dy -> dx


@dataclass(slots=True, eq=False)
class Param:
    """One learnable array and its gradient, which each backward pass writes anew."""

    value: Array
    grad: Array = field(init=False)

    def __post_init__(self) -> None:
        self.grad = np.zeros_like(self.value)  # of the same memory order


@dataclass(frozen=True, slots=True)
class Mode:
    """How this pass is run. Passed to every layer, so no layer keeps hidden flags.

    Conventions: what a pass returns lives until `work.begin_step()` is called, no longer.
    """

    training: bool
    work: Workspace = field(default_factory=Workspace)
    dropout_seed: int = 0
    keep_running: bool = False  # training, but the running statistics of norms stay as they are


class Layer(Protocol):
    """A differentiable function with named parameters, and named buffers that are kept beside them."""

    def params(self) -> dict[str, Param]: ...
    def buffers(self) -> dict[str, Array]: ...
    def forward(self, x: Array, mode: Mode) -> tuple[Array, Backward]: ...


class Plain:
    """A layer with nothing to learn or to remember."""

    def params(self) -> dict[str, Param]:
        return {}

    def buffers(self) -> dict[str, Array]:
        return {}
