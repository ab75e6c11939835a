"""NetSpec and weights -> an ONNX file: uint8 images in, probabilities and a path of the tree out.

Axes: N images, C channels, H W image, L levels, K leaves, K_l classes of level l.
"""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from treehead.decode import SMALLEST
from treehead.hierarchy.tree import LabelTree
from treehead.spec import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    GlobalAvgMaxPool,
    GlobalAvgPool,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    NetSpec,
    Residual,
    SiLU,
)
from treehead.types import Array, Weights

OPSET, IR_VERSION = 17, 8  # of 2022, supported by every runtime in use
EPS = 1e-5  # of batch normalisation, as in training
IMAGES, PATH = "images", "path"


def probabilities_name(level: str) -> str:
    """The name of the output of one level."""
    return f"probabilities_{level}"


def onnx_model(
    spec: NetSpec,
    weights: Weights,
    *,
    tree: LabelTree,
    mean: Array,
    std: Array,
    temperatures: tuple[float, ...],
    metadata: dict[str, str],
) -> bytes:
    """A network as the content of an ONNX file, with preprocessing and decoding in its graph.

        images                (N, C, H, W) uint8, any N
        probabilities_<level> (N, K_l) float32: softmax(logits / temperature)
        path                  (N, L) int64: class ids, leaves first, of the leaf whose path scores highest

    Shapes: mean, std: (C,) of pixels scaled to [0, 1].
    Conventions: float32 throughout; the path is that of the decoder `path`, ties to the lower leaf id. `classes`, the
        class names of every level, is added to the metadata.
    """
    graph = _Graph(weights)
    features = graph.layers("trunk", spec.trunk, _standardised(graph, mean, std))
    probabilities = []
    for (level, head), temperature in zip(spec.heads, temperatures, strict=True):
        logits = graph.layer(f"heads.{level}", head, features)
        divisor = graph.constant(f"heads.{level}.temperature", np.array(temperature, np.float32))
        calibrated = graph.add("Div", logits, divisor, name=f"heads.{level}.calibrated")
        probabilities.append(graph.add("Softmax", calibrated, name=probabilities_name(level), axis=1))
    _decode_path(graph, probabilities, tree)
    model = helper.make_model(
        _signed(graph, probabilities, tree, spec.input_shape),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="treehead",
    )
    model.ir_version = IR_VERSION
    classes = json.dumps(dict(zip(tree.levels, tree.names, strict=True)), ensure_ascii=False)
    helper.set_model_props(model, metadata | {"classes": classes})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _standardised(graph: "_Graph", mean: Array, std: Array) -> str:
    """The input as floats, minus the mean, divided by the standard deviation."""
    pixels = graph.add("Cast", IMAGES, name="input.float", to=TensorProto.FLOAT)
    scale = graph.constant("input.scale", (1 / (255 * std)).astype(np.float32).reshape(-1, 1, 1))
    shift = graph.constant("input.shift", (-mean / std).astype(np.float32).reshape(-1, 1, 1))
    return graph.add("Add", graph.add("Mul", pixels, scale, name="input.scaled"), shift, name="input.standardised")


def _signed(graph: "_Graph", probabilities: list[str], tree: LabelTree, input_shape: tuple[int, int, int]) -> Any:
    """The graph with its inputs and outputs, whose batch size is N."""
    images = helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["N", *input_shape])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])
        for name, size in zip(probabilities, tree.sizes, strict=True)
    ]
    outputs.append(helper.make_tensor_value_info(PATH, TensorProto.INT64, ["N", len(tree.levels)]))
    return helper.make_graph(graph.nodes, "treehead", [images], outputs, graph.constants)


def _decode_path(graph: "_Graph", probabilities: list[str], tree: LabelTree) -> None:
    """The leaf with the highest sum of log probabilities along its path, and the classes above it."""
    least = graph.constant("path.least", np.array(SMALLEST, np.float32))
    scores = []
    for level, name, ancestors in zip(tree.levels, probabilities, tree.ancestors, strict=True):
        log = graph.add("Log", graph.add("Max", name, least, name=f"path.{level}.clipped"), name=f"path.{level}.log")
        above = graph.constant(f"path.{level}.ancestors", ancestors.astype(np.int64))
        scores.append(graph.add("Gather", log, above, name=f"path.{level}.score", axis=1))
    leaf = graph.add("ArgMax", graph.add("Sum", *scores, name="path.score"), name="path.leaf", axis=1, keepdims=0)
    paths = graph.constant("path.of_leaf", tree.ancestors.T.astype(np.int64))
    graph.add("Gather", paths, leaf, name=PATH, axis=0)


class _Graph:
    """Nodes and constants in the order they are added; a node has one output, of the same name."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._weights = weights

    def constant(self, name: str, array: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def layers(self, prefix: str, layers: tuple[tuple[str, Layer], ...], x: str) -> str:
        for name, layer in layers:
            x = self.layer(f"{prefix}.{name}", layer, x)
        return x

    def layer(self, name: str, layer: Layer, x: str) -> str:
        """Add one layer of a spec, as `engines.pytorch.network.module_of` does, and return its output."""
        match layer:
            case Conv2d(_, _, kernel_size, stride):
                window = {"kernel_shape": [kernel_size] * 2, "strides": [stride] * 2, "pads": [layer.padding] * 4}
                return self.add("Conv", x, self._weight(name, "weight"), name=name, **window)
            case BatchNorm2d():
                parts = (self._weight(name, part) for part in ("weight", "bias", "running_mean", "running_var"))
                return self.add("BatchNormalization", x, *parts, name=name, epsilon=EPS)
            case LeakyReLU(slope):
                return self.add("LeakyRelu", x, name=name, alpha=slope) if slope else self.add("Relu", x, name=name)
            case SiLU():
                return self.add("Mul", x, self.add("Sigmoid", x, name=f"{name}.sigmoid"), name=name)
            case MaxPool2d(kernel_size):
                return self.add("MaxPool", x, name=name, kernel_shape=[kernel_size] * 2, strides=[kernel_size] * 2)
            case GlobalAvgPool():
                return self.add("ReduceMean", x, name=name, axes=[2, 3], keepdims=0)
            case GlobalAvgMaxPool():
                parts = ("ReduceMean", "mean"), ("ReduceMax", "max")
                pooled = (
                    self.add(operator, x, name=f"{name}.{part}", axes=[2, 3], keepdims=0) for operator, part in parts
                )
                return self.add("Concat", *pooled, name=name, axis=1)
            case Dropout():
                return x  # the identity in inference
            case Linear():
                return self.add(
                    "Gemm", x, self._weight(name, "weight"), self._weight(name, "bias"), name=name, transB=1
                )
            case Residual(body):
                return self.add("Add", x, self.layers(name, body, x), name=name)

    def _weight(self, layer: str, part: str) -> str:
        name = f"{layer}.{part}"
        return self.constant(name, self._weights[name].astype(np.float32))
