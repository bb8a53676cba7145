"""The item tower: what an item is, from its id and its text, as one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ItemTower(nn.Module):
    """Fuses an item's learned id vector and its projected text vector by attention over the two.

        e = 2 · (a · id + (1 − a) · project(text)),   a = softmax over both of tanh(W·(part + kind)) · q

    While training, id vectors are left out at random: a new item then lives on its text alone, as items with too few
    training events do from the start. Without texts an item is its id vector, and nothing if it has none.

    Parameters
    ----------
    text
        float32[items, t] or `None`: centred text vectors, which stay as they are.
    has_id
        bool[items]: which items have enough training events for an id vector.

    References
    ----------
    Volkovs, Yu, Poutanen (2017), "DropoutNet: Addressing cold start in recommender systems", NeurIPS.
    https://papers.nips.cc/paper/7081-dropoutnet-addressing-cold-start-in-recommender-systems
    """

    def __init__(self, text: Tensor | None, has_id: Tensor, width: int, id_dropout: float) -> None:
        super().__init__()
        self.id_dropout = id_dropout
        self.id = nn.Embedding(len(has_id), width)
        nn.init.normal_(self.id.weight, std=0.05)
        self.register_buffer("has_id", has_id, persistent=False)
        self.register_buffer("text", text, persistent=False)
        self.fusion = TextFusion(text.shape[1], width) if text is not None else None

    def forward(self) -> Tensor:
        """Return float32[items, width]: every item's vector."""
        has_id: Tensor = self.get_buffer("has_id")
        if self.training:
            has_id = has_id & (torch.rand(len(has_id)) >= self.id_dropout)
        ids = self.id.weight * has_id[:, None]
        return ids if self.fusion is None else self.fusion(ids, has_id, self.get_buffer("text"))


class TextFusion(nn.Module):
    """The part of the tower that new items need too: the text's projection and the attention over id and text."""

    def __init__(self, text_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(text_width, width), nn.GELU(), nn.Linear(width, width))
        self.key = nn.Linear(width, width)
        self.query = nn.Parameter(torch.zeros(width))
        self.kind = nn.Parameter(torch.zeros(2, width))

    def forward(self, ids: Tensor, has_id: Tensor, text: Tensor) -> Tensor:
        """Return the fused vectors of n items: ids float32[n, width], has_id bool[n], text float32[n, t]."""
        parts = torch.stack([ids, self.project(text)], dim=1)
        logits = torch.tanh(self.key(parts + self.kind)) @ self.query
        logits = torch.stack([logits[:, 0].masked_fill(~has_id, -1e9), logits[:, 1]], dim=1)
        return 2 * (logits.softmax(dim=1).unsqueeze(-1) * parts).sum(dim=1)
