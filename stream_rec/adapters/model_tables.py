"""A trained model's tables as a file: safetensors, read and written with numpy, so a worker needs no torch.

Tensors: `rows` float32[n, 5d + 1] (`core/sequence_tables.py`), `weights.<name>`, and `item_ids`, a JSON list as uint8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from stream_rec.core.sequence_tables import StudentWeights, row_width
from stream_rec.core.types import Float32Array
from stream_rec.errors import ConfigError

TABLES_FILE = "tables.safetensors"
_WEIGHTS = "weights."


@dataclass(frozen=True)
class ModelTables:
    """The rows of the items a model was trained with, float32[n, row_width], in the order of `item_ids`."""

    item_ids: Sequence[str]
    rows: Float32Array
    weights: StudentWeights


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
    return bytes(save({"rows": tables.rows, "item_ids": ids, **weights}))


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
    except (SafetensorError, KeyError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path}: need the tables of a model; got {error!r}. Train it anew, or copy the file again."
        ) from error
    return ModelTables(item_ids, rows, weights)
