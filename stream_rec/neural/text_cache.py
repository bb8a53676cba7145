"""Text vectors kept between runs: a catalogue changes by a few texts a day, and encoding it outlasts a fine-tune.

One safetensors file: `hashes` int64[n], of each text, and `vectors` float32[n, 384]. It holds the last run's catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from stream_rec.core.types import Float32Array
from stream_rec.neural.checkpoint import read_tensors, write_tensors
from stream_rec.neural.text_encoder import NAME, TEXT_WIDTH, encode_texts


def encode_new_texts(path: Path, texts: Sequence[str], report: Callable[[int, int], None]) -> Float32Array:
    """Return float32[n, 384], as `encode_texts`; only what the file at `path` lacks is encoded, and kept there.

    Raises
    ------
    ConfigError
        The file is damaged.
    """
    kept: dict[int, Float32Array] = {}
    if path.exists():
        tensors, header = read_tensors(path)
        if header.get("encoder") == NAME:
            kept = dict(zip(tensors["hashes"].tolist(), tensors["vectors"].numpy(), strict=True))
    hashes = [_hash(text) for text in texts]
    of_hash = {hashed: text for hashed, text in zip(hashes, texts, strict=True) if text and hashed not in kept}
    if of_hash:
        kept |= dict(zip(of_hash, encode_texts(list(of_hash.values()), report), strict=True))
    nothing = np.zeros(TEXT_WIDTH, np.float32)
    vectors = np.stack([kept[hashed] if text else nothing for hashed, text in zip(hashes, texts, strict=True)])
    if of_hash:
        wanted = sorted({hashed for hashed, text in zip(hashes, texts, strict=True) if text})
        stored = {"hashes": torch.tensor(wanted), "vectors": torch.from_numpy(np.stack([kept[one] for one in wanted]))}
        write_tensors(path, stored, {"encoder": NAME})
    return vectors


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)
