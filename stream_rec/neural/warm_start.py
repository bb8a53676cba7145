"""Going on from a trained version: its weights in a model that knows more items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stream_rec.neural.recipe import Recipe
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.text_encoder import TextBasis

PER_ITEM = ("items.id.weight", "bias")
"""Parameters with a row per item."""


@dataclass(frozen=True)
class WarmStart:
    """A version's student.

    Parameters
    ----------
    sha256
        Checksum of its file, as in the manifest.
    item_ids, has_id
        The items it was trained with, and bool[items]: which of them have an id vector.
    weights
        Its `state_dict`.
    texts
        What it takes off text vectors; `None` if it knows no texts.
    item_texts
        item id → the text it was trained with, of the items that had one; none of a version older than this field.
    """

    version: str
    sha256: str
    recipe: Recipe
    item_ids: Sequence[str]
    has_id: Tensor
    weights: Mapping[str, Tensor]
    texts: TextBasis | None
    item_texts: Mapping[str, str] = field(default_factory=dict)


@torch.no_grad()
def put_weights(model: SequenceModel, weights: Mapping[str, Tensor], had_id: Tensor) -> None:
    """Give the model the weights of one whose items are the first of its own; `model` is changed.

    An item that has an id vector for the first time gets its projected text as such: both parts of the tower's fusion
    are then the same, so that the item's vector is what it was, and learning goes on from there. Without texts it
    starts as in a new model.

    Parameters
    ----------
    weights
        The stored model's `state_dict`.
    had_id
        bool[stored items]: which of them had an id vector.
    """
    own = model.state_dict()
    for name in PER_ITEM:
        own[name][: len(had_id)] = weights[name]
    model.load_state_dict({**weights, **{name: own[name] for name in PER_ITEM}})
    tower = model.items
    new = tower.get_buffer("has_id").clone()
    new[: len(had_id)] &= ~had_id
    if tower.fusion is not None:
        tower.id.weight[new] = tower.fusion.project(tower.get_buffer("text")[new])
