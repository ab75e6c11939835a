"""NetSpec and weights -> an ONNX file: uint8 images in, the probability of every node and the answers out.

Axes: N images, C channels, H W image, L levels, K leaves, K_l classes of level l.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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
LOGITS, PROBABILITIES = "logits", "probabilities"


def output_name(kind: str, level: str) -> str:
    """The name of an output of one level: `logits_fine`, `probabilities_fine`."""
    return f"{kind}_{level}"


@dataclass(frozen=True, slots=True)
class Decoding:
    """From logits to answers: the tree, the weights of its levels (see `posterior.pooling.pool`), and the decoder."""

    tree: LabelTree
    weights: tuple[float, ...]
    decoder: str


def onnx_model(
    spec: NetSpec,
    weights: Weights,
    decoding: Decoding,
    *,
    mean: Array,
    std: Array,
    metadata: dict[str, str],
) -> bytes:
    """A network as the content of an ONNX file, with preprocessing, posterior and decoding in its graph.

        images                (N, C, H, W) uint8, any N
        logits_<level>        (N, K_l) float32: each head's own
        probabilities_<level> (N, K_l) float32: the posterior's, of every node of the level
        path                  (N, L) int64: class ids, leaves first: the answers

    Shapes: mean, std: (C,) of pixels scaled to [0, 1].
    Conventions: float32 throughout; ties go to the lower class id. `classes`, the class names of every level, is added
        to the metadata.
    """
    graph, tree = _Graph(weights), decoding.tree
    features = graph.layers("trunk", spec.trunk, _standardised(graph, mean, std))
    logits = []
    for level, head in spec.heads:
        graph.layer(f"heads.{level}", head, features)
        logits.append(graph.add("Identity", f"heads.{level}", name=output_name(LOGITS, level)))
    nodes = _posterior(graph, logits, decoding)
    _answers(graph, logits, nodes, decoding)
    model = helper.make_model(
        _signed(graph, tree, spec.input_shape),
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


def _signed(graph: "_Graph", tree: LabelTree, input_shape: tuple[int, int, int]) -> Any:
    """The graph with its inputs and outputs, whose batch size is N."""
    images = helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["N", *input_shape])
    outputs = [
        helper.make_tensor_value_info(output_name(kind, level), TensorProto.FLOAT, ["N", size])
        for kind in (LOGITS, PROBABILITIES)
        for level, size in zip(tree.levels, tree.sizes, strict=True)
    ]
    outputs.append(helper.make_tensor_value_info(PATH, TensorProto.INT64, ["N", len(tree.levels)]))
    return helper.make_graph(graph.nodes, "treehead", [images], outputs, graph.constants)


def _posterior(graph: "_Graph", logits: Sequence[str], decoding: Decoding) -> list[str]:
    """The probability of every node: the pooled heads, as `posterior.pooling.pool`, and their sums up the tree."""
    tree, scores = decoding.tree, []
    for level, name, ancestors, weight in zip(tree.levels, logits, tree.ancestors, decoding.weights, strict=True):
        above = graph.constant(f"posterior.{level}.ancestors", ancestors.astype(np.int64))
        trust = graph.constant(f"posterior.{level}.weight", np.array(weight, np.float32))
        weighted = graph.add("Mul", name, trust, name=f"posterior.{level}.weighted")
        scores.append(graph.add("Gather", weighted, above, name=f"posterior.{level}.score", axis=1))
    score = graph.add("Sum", *scores, name="posterior.score")
    leaves = graph.add("Softmax", score, name=output_name(PROBABILITIES, tree.levels[0]), axis=1)
    nodes = [leaves]
    for level, ancestors, size in zip(tree.levels[1:], tree.ancestors[1:], tree.sizes[1:], strict=True):
        below = graph.constant(f"posterior.{level}.below", np.eye(size, dtype=np.float32)[ancestors])
        nodes.append(graph.add("MatMul", leaves, below, name=output_name(PROBABILITIES, level)))
    return nodes


def _answers(graph: "_Graph", logits: Sequence[str], nodes: Sequence[str], decoding: Decoding) -> None:
    """The answer at every level, as `decode.decode`."""
    tree, kind = decoding.tree, decoding.decoder
    if kind == "independent":
        answers = [
            graph.add("ArgMax", name, name=f"answer.{level}", axis=1, keepdims=1)
            for level, name in zip(tree.levels, logits, strict=True)
        ]
        graph.add("Concat", *answers, name=PATH, axis=1)
        return
    if kind == "crm":
        right = [
            graph.add("Gather", name, f"posterior.{level}.ancestors", name=f"answer.{level}.right", axis=1)
            for level, name in zip(tree.levels, nodes, strict=True)
        ]
        leaf = _best(graph, graph.add("Sum", *right, name="answer.right"), "answer.leaf")
    elif kind == "path":
        leaf = _best(graph, nodes[0], "answer.leaf")
    else:
        leaf = _branch_by_branch(graph, logits if kind == "top_down" else nodes, tree)
    paths = graph.constant("answer.paths", tree.ancestors.T.astype(np.int64))
    graph.add("Gather", paths, leaf, name=PATH, axis=0)


def _branch_by_branch(graph: "_Graph", scores: Sequence[str], tree: LabelTree) -> str:
    """The leaf below the best class of the top level, its best child, and so on down."""
    lowest = graph.constant("answer.lowest", np.array(np.finfo(np.float32).min, np.float32))
    best = _best(graph, scores[-1], f"answer.{tree.levels[-1]}")
    for level in reversed(range(len(tree.parents))):
        name = f"answer.{tree.levels[level]}"
        parents = np.array(tree.parents[level])
        children = parents == np.arange(tree.sizes[level + 1])[:, None]  # (K_l+1, K_l)
        row = graph.add("Gather", graph.constant(f"{name}.children", children), best, name=f"{name}.row", axis=0)
        best = _best(graph, graph.add("Where", row, scores[level], lowest, name=f"{name}.below"), name)
    return best


def _best(graph: "_Graph", scores: str, name: str) -> str:
    return graph.add("ArgMax", scores, name=name, axis=1, keepdims=0)


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
