"""A trained model's tables as a file: safetensors, read and written with numpy, so a worker needs no torch.

Tensors: `rows` float32[n, 5d + 1] (`core/sequence_tables.py`), `weights.<name>`, and `item_ids`, a JSON list as uint8;
of a model that knows texts also `content` int8[n, 128] and `content_scale` float32[n] (`core/content_vectors.py`), and
`text_hashes` uint64[n]; `known` bool[n].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from stream_rec.core.content_vectors import no_content, pack_content, unpack_content
from stream_rec.core.sequence_tables import StudentWeights, row_width
from stream_rec.core.types import BoolArray, Float32Array, UInt64Array
from stream_rec.errors import ConfigError

TABLES_FILE = "tables.safetensors"
_WEIGHTS = "weights."


@dataclass(frozen=True)
class ModelTables:
    """What a model says of the items it was trained with, in the order of `item_ids`.

    `rows` float32[n, row_width]. `content` float32[n, 128]: what their texts say; of width 0 for a model without texts.
    `text_hashes` uint64[n]: `text_hash` of the text each was trained with; empty where that is not known.
    `known` bool[n]: whether an id or a text says anything of the item, the row of another means nothing; empty in older
    files, all are known then.
    """

    item_ids: Sequence[str]
    rows: Float32Array
    weights: StudentWeights
    content: Float32Array = field(default_factory=lambda: no_content(0))
    text_hashes: UInt64Array = field(default_factory=lambda: np.zeros(0, np.uint64))
    known: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))

    def of_known_items(self) -> ModelTables:
        """Return the tables to serve with: without the items that nothing is known of."""
        if not len(self.known):
            return self
        kept = np.flatnonzero(self.known)
        item_ids, hashes = [self.item_ids[place] for place in kept.tolist()], self.text_hashes
        hashes = hashes[kept] if len(hashes) else hashes
        return ModelTables(item_ids, self.rows[kept], self.weights, self.content[kept], hashes)

    @property
    def knows_texts(self) -> bool:
        """Whether the model may have learned from texts; not where no item had one, which only newer files tell."""
        return self.content.shape[1] > 0 or len(self.text_hashes) == 0 or bool(self.text_hashes.any())


def weights_bytes(weights: StudentWeights) -> bytes:
    """Return what all items share as a file of its own, for an announcement."""
    return bytes(save(weights._asdict()))


def parse_weights(raw: bytes, what: str) -> StudentWeights:
    """Return the weights of such a file; raises ConfigError, which names `what`."""
    try:
        return StudentWeights(**load(raw))
    except (SafetensorError, TypeError, ValueError) as error:
        raise ConfigError(f"{what}: need the weights of a sequence model; got {error!r}. Announce it anew.") from error


def tables_bytes(tables: ModelTables) -> bytes:
    """Return the file."""
    ids = np.frombuffer(msgspec.json.encode(list(tables.item_ids)), np.uint8)
    weights = {_WEIGHTS + name: array for name, array in tables.weights._asdict().items()}
    tensors: dict[str, npt.NDArray[Any]] = {"rows": tables.rows, "item_ids": ids, **weights}
    if tables.content.shape[1]:
        tensors["content"], tensors["content_scale"] = pack_content(tables.content)
    if len(tables.text_hashes):
        tensors["text_hashes"] = tables.text_hashes
    if len(tables.known):
        tensors["known"] = tables.known
    return bytes(save(tensors))


def parse_tables(raw: bytes, path: Path) -> ModelTables:
    """Return the tables of a file's bytes.

    Raises
    ------
    ConfigError
        They are no tables; the message names `path`.
    """
    try:
        tensors = load(raw)
        weights = StudentWeights(**{name: tensors[_WEIGHTS + name] for name in StudentWeights._fields})
        item_ids = msgspec.json.decode(tensors["item_ids"].tobytes(), type=list[str])
        rows = tensors["rows"]
        if rows.shape != (len(item_ids), row_width(weights.width)) or rows.dtype != np.float32:
            raise ValueError(f"rows {rows.dtype}{list(rows.shape)} for {len(item_ids)} items of width {weights.width}")
        content, text_hashes = _content_of(tensors, len(item_ids)), tensors.get("text_hashes", np.zeros(0, np.uint64))
        if text_hashes.dtype != np.uint64 or len(text_hashes) not in (0, len(item_ids)):
            raise ValueError(f"text hashes {text_hashes.dtype}{list(text_hashes.shape)} for {len(item_ids)} items")
        known = tensors.get("known", np.zeros(0, np.bool_))
        if known.dtype != np.bool_ or len(known) not in (0, len(item_ids)):
            raise ValueError(f"known {known.dtype}{list(known.shape)} for {len(item_ids)} items")
    except (SafetensorError, KeyError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path}: need the tables of a model; got {error!r}. Train it anew, or copy the file again."
        ) from error
    return ModelTables(item_ids, rows, weights, content, text_hashes, known)


def _content_of(tensors: Mapping[str, npt.NDArray[Any]], items: int) -> Float32Array:
    """Return float32[items, w]; of width 0 where the file has none: an ids-only model's, or an older one."""
    if "content" not in tensors:
        return no_content(items)
    numbers, scale = tensors["content"], tensors["content_scale"]
    if numbers.ndim != 2 or len(numbers) != items or scale.shape != (items,) or numbers.dtype != np.int8:
        raise ValueError(f"content {numbers.dtype}{list(numbers.shape)} for {items} items")
    return unpack_content(numbers, scale)
