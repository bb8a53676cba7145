"""Rows for items by a stored student: new ones from their text, known ones from id and text. What an encoder runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from stream_rec.core.content_vectors import no_content
from stream_rec.core.types import Float32Array
from stream_rec.errors import ConfigError
from stream_rec.neural.export import item_rows
from stream_rec.neural.item_tower import ItemTower
from stream_rec.neural.recipe import recipe_from
from stream_rec.neural.run import TrainedRun
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.text_encoder import TEXT_WIDTH, TextBasis, centred, content_of, encode_texts
from stream_rec.neural.warm_start import WarmStart

STUDENT_FILE = "student.safetensors"
_MODEL = "model."
_ITEM_TEXTS = "item_texts"


def student_bytes(run: TrainedRun) -> bytes:
    """Return the student as a file: its parameters, which items have an id vector, texts and their basis.

    `item_texts`, a JSON list as uint8, is what a run that goes on from it has of items the catalogue no longer names.
    """
    model = run.student.model
    tensors = {_MODEL + name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    tensors["has_id"] = model.items.get_buffer("has_id")
    tensors["bias"] = torch.from_numpy(run.rows[:, -1].copy())
    if run.texts is not None:
        tensors["text_mean"] = torch.from_numpy(run.texts.mean)
        tensors["content_projection"] = torch.from_numpy(run.texts.projection)
        tensors[_ITEM_TEXTS] = torch.from_numpy(np.frombuffer(msgspec.json.encode(run.item_texts), np.uint8).copy())
    return bytes(save(tensors))


def warm_start(raw: bytes, item_ids: Sequence[str], settings: dict[str, Any], version: str, path: Path) -> WarmStart:
    """Return a stored student as what a run goes on from.

    Parameters
    ----------
    raw, item_ids, settings, path
        As for `ItemEncoder`.
    version
        Its name.

    Raises
    ------
    ConfigError
        The bytes are no student.
    """
    try:
        tensors = load(raw)
        texts = None
        if "text_mean" in tensors:
            texts = TextBasis(tensors["text_mean"].numpy(), tensors["content_projection"].numpy())
        weights = {name.removeprefix(_MODEL): tensors[name] for name in tensors if name.startswith(_MODEL)}
        has_id, item_texts = tensors["has_id"], _item_texts(tensors, item_ids)
        checksum = sha256(raw).hexdigest()
        return WarmStart(version, checksum, recipe_from(settings), item_ids, has_id, weights, texts, item_texts)
    except (SafetensorError, ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: need the student of this version; got {error!r}. Train it anew.") from error


def _item_texts(tensors: Mapping[str, torch.Tensor], item_ids: Sequence[str]) -> dict[str, str]:
    """Return item id → text of the items that have one; nothing where the file keeps none."""
    if _ITEM_TEXTS not in tensors:
        return {}
    texts = msgspec.json.decode(tensors[_ITEM_TEXTS].numpy().tobytes(), type=list[str])
    return {item_id: text for item_id, text in zip(item_ids, texts, strict=True) if text}


class EncodedItems(NamedTuple):
    """What a student says of n items.

    `rows` float32[n, row_width]. `known` bool[n]: whether anything is known of the item; the row of another means
    nothing. `content` float32[n, 128]: zeros for an item without a text; of width 0 where the student knows no texts.
    """

    rows: Float32Array
    known: npt.NDArray[np.bool_]
    content: Float32Array


class ItemEncoder:
    """Makes item rows with a stored student.

    Parameters
    ----------
    raw
        The bytes of `STUDENT_FILE`.
    item_ids
        The items it was trained with, in the order of its tables.
    settings
        The manifest's.
    path
        Where the bytes are from, for messages.

    Raises
    ------
    ConfigError
        The bytes are no student of these items and settings.
    """

    def __init__(self, raw: bytes, item_ids: Sequence[str], settings: dict[str, Any], path: Path) -> None:
        try:
            tensors = load(raw)
            self.recipe = recipe_from(settings)
            self._mean = tensors["text_mean"].numpy() if "text_mean" in tensors else None
            self._projection = tensors["content_projection"].numpy() if "content_projection" in tensors else None
            text = None if self._mean is None else torch.zeros(len(item_ids), TEXT_WIDTH)
            tower = ItemTower(text, tensors["has_id"], self.recipe.student.width, self.recipe.id_dropout)
            self._model = SequenceModel(self.recipe.student, tower).eval()
            weights = {name.removeprefix(_MODEL): tensors[name] for name in tensors if name.startswith(_MODEL)}
            self._model.load_state_dict(weights)
            self._bias = tensors["bias"]
        except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: need the student of this version; got {error!r}. Train it anew.") from error
        self._row_of = {item_id: row for row, item_id in enumerate(item_ids)}

    @torch.inference_mode()
    def rows(self, items: Sequence[tuple[str, str]]) -> EncodedItems:
        """Return what the student says of n (item id, text).

        An item without an id vector and without a text, or of a student that knows no texts, is unknown. Cost: 2 to
        5 ms an item on one core, nearly all of it the text encoder.
        """
        tower = self._model.items
        rows = torch.tensor([self._row_of.get(item_id, -1) for item_id, _ in items], dtype=torch.int64)
        trained = rows.clamp(min=0)
        has_id = (rows >= 0) & tower.get_buffer("has_id")[trained]
        vectors = tower.id(trained) * has_id[:, None]
        known, content = has_id.numpy(), no_content(len(items))
        if tower.fusion is not None and self._mean is not None:
            text = encode_texts([text for _, text in items])
            known = known | (np.abs(text).sum(axis=1) > 0)
            scaled = centred(text, self._mean, self.recipe.text_scale)
            vectors = tower.fusion(vectors, has_id, torch.from_numpy(scaled))
            if self._projection is not None:  # a version made before there were content vectors has none
                content = content_of(scaled, self._projection)
        bias = torch.where(rows >= 0, self._bias[trained], self.recipe.unseen_bonus)
        return EncodedItems(item_rows(self._model, vectors, bias), known, content)
