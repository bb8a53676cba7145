"""The student as an ONNX graph that computes what a user vector needs and no more: queries of the last item only."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from stream_rec.neural.sequence_model import Block, SequenceModel

OPSET, IR_VERSION = 20, 9
ITEMS, USERS = "items", "users"


class _Graph:
    """Nodes and weights under construction; every method returns the name of what it adds."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: object) -> str:
        output = output or f"{kind.lower()}-{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def weight(self, value: Tensor | np.ndarray) -> str:
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        name = f"weight-{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def norm(self, x: str, norm: nn.LayerNorm) -> str:
        return self.add("LayerNormalization", x, self.weight(norm.weight), self.weight(norm.bias), epsilon=norm.eps)

    def linear(self, x: str, weight: Tensor, bias: Tensor, output: str | None = None) -> str:
        product = self.add("MatMul", x, self.weight(weight.T))
        return self.add("Add", product, self.weight(bias), output=output)


def write_student(model: SequenceModel, table: Tensor, length: int, path: Path) -> None:
    """Write the graph: int64[B, length] items, oldest first → float32[B, d] user vectors."""
    graph, block = _Graph(), model.blocks[0]
    assert isinstance(block, Block) and block.distance is not None
    width, heads = model.shape.width, model.shape.heads
    x = graph.norm(graph.add("Gather", graph.weight(table), ITEMS), model.input_norm)
    normed = graph.norm(x, block.attention_norm)
    last = graph.weight(np.array(length - 1))
    weights, biases = block.qkv.weight.chunk(3), block.qkv.bias.chunk(3)
    newest = graph.add("Gather", normed, last, axis=1)
    query = _heads(graph, graph.linear(newest, weights[0] / math.sqrt(width // heads),
                                       biases[0] / math.sqrt(width // heads)), 1, heads, width)  # fmt: skip
    key = _heads(graph, graph.linear(normed, weights[1], biases[1]), length, heads, width)
    value = _heads(graph, graph.linear(normed, weights[2], biases[2]), length, heads, width)
    bias = block.distance[:, :length].flip(1)[None, :, None, :]
    logits = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    shares = graph.add("Softmax", graph.add("Add", logits, graph.weight(bias)), axis=-1)
    mixed = graph.add("Reshape", graph.add("MatMul", shares, value), graph.weight(np.array([-1, width])))
    x = graph.add("Add", graph.add("Gather", x, last, axis=1), graph.linear(mixed, block.mix.weight, block.mix.bias))
    hidden = graph.linear(graph.norm(x, block.feed_norm), block.widen.weight, block.widen.bias)
    fed = graph.linear(graph.add("Gelu", hidden), block.narrow.weight, block.narrow.bias)
    x = graph.norm(graph.add("Add", x, fed), model.output_norm)
    graph.linear(x, model.head.weight, model.head.bias, output=USERS)
    whole = helper.make_graph(
        graph.nodes,
        "student",
        [helper.make_tensor_value_info(ITEMS, TensorProto.INT64, ["batch", length])],
        [helper.make_tensor_value_info(USERS, TensorProto.FLOAT, ["batch", width])],
        graph.weights,
    )
    proto = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def _heads(graph: _Graph, x: str, length: int, heads: int, width: int) -> str:
    """[B, length, width] → [B, heads, length, width / heads]."""
    shape = graph.weight(np.array([-1, length, heads, width // heads]))
    return graph.add("Transpose", graph.add("Reshape", x, shape), perm=[0, 2, 1, 3])
