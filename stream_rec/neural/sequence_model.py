"""The sequence model: a causal transformer over a user's items; teacher and student are two shapes of it.

References
----------
Kang, McAuley (2018), "Self-attentive sequential recommendation", ICDM. https://arxiv.org/abs/1808.09781
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stream_rec.neural.interactions import BASKET_STEPS, GAP_STEPS, QUANTITY_STEPS
from stream_rec.neural.item_tower import ItemTower
from stream_rec.neural.recipe import ModelShape

HIDDEN = 4
"""The feed-forward layer is this many times as wide as the vectors."""

FIRST_SLOPE, SLOPE_RATIO = 0.2, 4
"""Distance bias at the start: head h loses 0.2 / 4^h per step into the past (Press et al. 2021, ALiBi)."""


class SequenceModel(nn.Module):
    """Maps histories to user vectors: score(user, item) = user · item + bias.

    Parameters
    ----------
    tower
        What items are.
    """

    def __init__(self, shape: ModelShape, tower: ItemTower) -> None:
        super().__init__()
        self.shape = shape
        self.items = tower
        self.bias = nn.Parameter(torch.zeros(tower.id.num_embeddings))
        width = shape.width
        self.input_norm, self.dropout = nn.LayerNorm(width), nn.Dropout(shape.dropout)
        steps = () if shape.per_item else (GAP_STEPS, QUANTITY_STEPS, BASKET_STEPS)
        self.context = nn.ModuleList([nn.Embedding(n, width) for n in steps])
        self.place = None if shape.per_item else nn.Embedding(shape.length, width)
        for embedding in [*self.context, *([self.place] if self.place is not None else [])]:
            assert isinstance(embedding, nn.Embedding)
            nn.init.normal_(embedding.weight, std=0.02)
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.layers)])
        self.output_norm, self.head = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, items: Tensor, table: Tensor, context: Tensor) -> Tensor:
        """Return float32[B, T, width]: the user vector after each event.

        Parameters
        ----------
        items
            int64[B, T], T ≤ length, oldest first; padding comes last, where causal attention does not look.
        table
            float32[items, width]: what the item tower gave.
        context
            int64[B, T, 3]; read only where the shape has context inputs.
        """
        x = F.embedding(items, table)
        for index, embedding in enumerate(self.context):
            x = x + embedding(context[..., index])
        x = self.input_norm(x)
        if self.place is not None:
            x = x + self.place.weight[: x.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        vectors: Tensor = self.head(self.output_norm(x))
        return vectors


class Block(nn.Module):
    """One pre-norm transformer layer; with `per_item` distance is a bias per head on the attention logits."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.attention_norm, self.qkv = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, HIDDEN * width), nn.Linear(HIDDEN * width, width)
        self.dropout = nn.Dropout(shape.dropout)
        self.distance: nn.Parameter | None = None
        if shape.per_item:
            slopes = torch.tensor([FIRST_SLOPE / SLOPE_RATIO**head for head in range(shape.heads)])
            self.distance = nn.Parameter(-slopes[:, None] * torch.arange(shape.length)[None, :])

    def forward(self, x: Tensor) -> Tensor:
        """x float32[B, T, width] → the same shape."""
        x = x + self.dropout(self.mix(self._attend(self.attention_norm(x))))
        fed: Tensor = self.narrow(F.gelu(self.widen(self.feed_norm(x))))
        return x + cast(Tensor, self.dropout(fed))

    def _attend(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        query, key, value = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.distance is None:
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            bias = self._distance_bias(length).expand(batch, -1, -1, -1)
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        joined: Tensor = attended.transpose(1, 2).reshape(batch, length, width)
        return joined

    def _distance_bias(self, length: int) -> Tensor:
        """Return float32[1, heads, length, length]: what attention adds by distance; the future is shut out."""
        assert self.distance is not None
        back = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        bias: Tensor = self.distance[:, back.clamp(min=0)].masked_fill(back < 0, -1e9)
        return bias[None]
