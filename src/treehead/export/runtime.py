"""Run an exported ONNX file with ONNX Runtime, without torch.

A file of a stranger is a program. So only operators that `export.onnx` writes are run, no weights of other files are
read, and a graph whose values for one image would fill the memory is refused before it is run.
Axes: N images, K_l classes of level l.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from treehead.inputs import check_regular, cut, printable, shown, shown_path
from treehead.metrics.flat import SMALLEST
from treehead.types import Array, UserError

PREDICT_BATCH = 500  # images per call; the result does not depend on it
MOST_BYTES, MOST_VALUES = 2**30, 2**26
"""Of a file, and of any value that its graph computes for one image."""
OPERATORS = frozenset(
    (
        *("Add", "ArgMax", "BatchNormalization", "Cast", "Concat", "Conv", "Div", "Exp", "Gather", "Gemm"),
        *("GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu", "Log", "LogSoftmax", "MatMul", "Max"),
        *("MaxPool", "Mul", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Sigmoid", "Softmax"),
        *("Sub", "Sum", "Where"),
    )
)
"""What the export writes, or may write: none makes values larger than its inputs and weights allow."""


class OnnxNetwork:
    """An ONNX model in memory; `metadata` is what `export.onnx.onnx_model` was given.

    Raises: UserError: the file is missing, not an ONNX model, or not one that treehead has exported.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by onnxruntime on import
        import onnxruntime

        self._path, model = path, _checked(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: all cores
        options.log_severity_level = 4  # its warnings go to stderr directly
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            raise _not_valid(path, error) from None
        self._outputs: list[str] = []
        self._inputs = [(entry.name, entry.type, entry.shape[1:]) for entry in self._session.get_inputs()]
        self._shapes = {entry.name: entry.shape[1:] for entry in self._session.get_outputs()}
        self.has_logits = any(name.startswith("logits_") for name in self._shapes)
        """False for files of export format 1, which have the probabilities of each head instead."""

    def check(self, levels: tuple[str, ...], sizes: tuple[int, ...], input_shape: tuple[int, int, int]) -> None:
        """Raises: UserError: inputs and outputs are not those of a network with these heads."""
        kind = "logits" if self.has_logits else "probabilities"
        wanted = {f"{kind}_{level}": [size] for level, size in zip(levels, sizes, strict=True)}
        if self._inputs != [("images", "tensor(uint8)", list(input_shape))] or any(
            self._shapes.get(name) != shape for name, shape in wanted.items()
        ):
            raise UserError(f"{self._path} is damaged: its inputs or outputs are not those of its label tree")
        self._outputs = list(wanted)

    def logits(self, pixels: Array) -> list[Array]:
        """Shapes: pixels: (N, C, H, W) uint8, N at least 1; returns per level (N, K_l) float32.

        Raises: UserError: the graph cannot be computed, or gives no numbers.
        """
        blocks = (pixels[start : start + PREDICT_BATCH] for start in range(0, len(pixels), PREDICT_BATCH))
        try:
            parts = [self._session.run(self._outputs, {"images": np.ascontiguousarray(block)}) for block in blocks]
        except Exception as error:  # as above
            raise _not_valid(self._path, error) from None
        levels = [np.concatenate(level) for level in zip(*parts, strict=True)]
        if not all(np.isfinite(level).all() for level in levels):
            raise UserError(f"{self._path} is damaged: it computes values that are not numbers")
        return levels if self.has_logits else [np.log(np.maximum(level, np.float32(SMALLEST))) for level in levels]


def _not_valid(path: Path, error: Exception) -> UserError:
    reason = cut(printable((str(error).splitlines() or [type(error).__name__])[0]))
    return UserError(f"{shown_path(path)} is not a valid ONNX model: {reason}")


def _checked(path: Path) -> bytes:
    """The content of an ONNX file that is safe to run."""
    import onnx

    try:
        if check_regular(path) > MOST_BYTES:
            raise UserError(f"{path} is larger than {MOST_BYTES:,} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no model at {shown_path(path)}") from None
    except OSError as error:
        raise UserError(f"cannot read {shown_path(path)}: {error.strerror or error}") from None
    try:
        model = onnx.load_from_string(data)
        _check_graph(path, model)
        _check_sizes(path, onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=False))
    except UserError:
        raise
    except Exception as error:  # protobuf's and onnx's exceptions have no common base class
        raise _not_valid(path, error) from None
    return data


def _check_graph(path: Path, model: Any) -> None:
    """Raises: UserError: an operator that the export does not write, or weights in another file."""
    foreign = sorted({node.op_type for node in model.graph.node if node.domain or node.op_type not in OPERATORS})
    if foreign or len(model.functions) or len(model.graph.sparse_initializer):
        what = f"the operator {shown(foreign[0])}" if foreign else "functions or sparse weights"
        raise UserError(f"{shown_path(path)} has {what}, which no export of treehead has, so it is not run")
    if any(tensor.data_location or len(tensor.external_data) for tensor in _tensors(model.graph)):
        raise UserError(f"{shown_path(path)} keeps weights in another file, which no export of treehead does")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _check_sizes(path: Path, model: Any) -> None:
    """Raises: UserError: a value of the graph is not of a known, reasonable size for each image."""
    graph = model.graph
    known = {entry.name: entry for entry in (*graph.value_info, *graph.output, *graph.input)}
    for name in (name for node in graph.node for name in node.output):
        dims = known[name].type.tensor_type.shape.dim if name in known else ()
        sizes = [dim.dim_value for dim in dims if not dim.dim_param]
        if name not in known or min(sizes, default=1) < 1 or math.prod(sizes) > MOST_VALUES:
            raise UserError(
                f"{shown_path(path)}: the size of {shown(name)} is not known or too large, so it is not run"
            )
