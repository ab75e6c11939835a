"""A training step on a CUDA device, recorded once and then launched as a whole (a CUDA graph).

A step is several hundred small kernels, and launching them one by one takes the processor several times as long as
the device needs to run them.
"""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from treehead.engines.pytorch.inputs import StepInputs

Step = Callable[[StepInputs], tuple[Tensor, ...]]

PLAIN_STEPS = 3
"""First steps of each kind, launched kernel by kernel: they choose algorithms and create the optimizer's state."""


class Recorder:
    """Takes steps: the first `PLAIN_STEPS` of a kind kernel by kernel, the others by replaying a CUDA graph.

    Conventions: steps of one kind launch the same kernels on the same arrays whatever their inputs; only the inputs'
        values may differ, not their shapes. One kind's graph is kept at a time.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        self._kind: Hashable = None
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def take(self, kind: Hashable, step: Step, inputs: StepInputs) -> tuple[Tensor, ...]:
        """The outputs of `step(inputs)`, copied if a later step would overwrite them."""
        kind = (kind, inputs.rows.shape, inputs.columns.shape)
        if kind != self._kind:
            self._kind, self._taken, self._graph = kind, 0, None
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):  # the default stream cannot be recorded
            outputs = self._plain_or_replayed(step, inputs)
        current.wait_stream(self._stream)
        return outputs

    def _plain_or_replayed(self, step: Step, inputs: StepInputs) -> tuple[Tensor, ...]:
        self._taken += 1
        if self._taken <= PLAIN_STEPS:
            return step(inputs)
        if self._graph is None:
            self._graph = self._record(step, inputs)
        for recorded, value in zip(self._inputs, inputs, strict=True):
            recorded.copy_(value)
        self._graph.replay()
        return tuple(output.clone() for output in self._outputs)

    def _record(self, step: Step, inputs: StepInputs) -> torch.cuda.CUDAGraph:
        """The graph of a step that reads `self._inputs` and writes `self._outputs`; nothing is computed yet."""
        self._inputs = StepInputs(*(part.clone() for part in inputs))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            self._outputs = step(self._inputs)
        return graph
