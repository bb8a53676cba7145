"""From a trained student to the tables a worker serves with; a new item gets its row from the same function."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from stream_rec.core.sequence_tables import StudentWeights
from stream_rec.core.types import Float32Array
from stream_rec.neural.sequence_model import Block, SequenceModel


@torch.inference_mode()
def item_rows(model: SequenceModel, table: Tensor, bias: Tensor) -> Float32Array:
    """Return float32[n, row_width]: rows of the items whose vectors are `table` float32[n, d], bias float32[n].

    `model` has the shape `per_item`. Cost: about 20 µs an item.
    """
    block = _only_block(model)
    x = model.input_norm(table)
    query, key, value = block.qkv(block.attention_norm(x)).chunk(3, dim=1)
    query = query / math.sqrt(model.shape.width // model.shape.heads)
    row = torch.cat([key, value, query, x + block.mix.bias, table, bias[:, None]], dim=1)
    return np.ascontiguousarray(row.numpy())


@torch.inference_mode()
def student_weights(model: SequenceModel) -> StudentWeights:
    """Return what the rows do not hold; gains and shifts of layer norms are multiplied into what follows them."""
    block = _only_block(model)
    assert block.distance is not None
    widen, widen_bias = _with_norm(block.feed_norm, block.widen)
    head, head_bias = _with_norm(model.output_norm, model.head)
    return StudentWeights(
        distance=_array(block.distance),
        mix=_array(block.mix.weight.T),
        widen=_array(widen.T),
        widen_bias=_array(widen_bias),
        narrow=_array(block.narrow.weight.T),
        narrow_bias=_array(block.narrow.bias),
        head=_array(head.T),
        head_bias=_array(head_bias),
    )


def _with_norm(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return weight and bias of linear(gain · x + shift) as a function of x."""
    return linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias


def _only_block(model: SequenceModel) -> Block:
    block = model.blocks[0]
    assert isinstance(block, Block) and model.shape.per_item and len(model.blocks) == 1
    return block


def _array(tensor: Tensor) -> Float32Array:
    return np.ascontiguousarray(tensor.detach().float().numpy())
