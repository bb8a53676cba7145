"""A stored forest comes back bit by bit, or not at all."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest

from stream_rec.core.ranking.forest_codec import decode_forest, encode_forest
from stream_rec.core.ranking.trees import NEVER, Forest
from stream_rec.errors import CorruptStateError

NAMES = ("rank", "lag", "share")


def some_forest(trees: int = 3) -> Forest:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(trees, 6)).astype(np.float32)
    values[0, 5] = NEVER
    return Forest(
        rng.integers(0, 3, (trees, 6)).astype(np.uint8), values, rng.normal(size=(trees, 64)).astype(np.float32)
    )


@pytest.mark.parametrize("trees", [0, 1, 100])
def test_round_trip(trees: int) -> None:
    forest = some_forest(trees) if trees else Forest(*(array[:0] for array in some_forest()))
    stored = encode_forest(forest, NAMES)
    restored = decode_forest(stored, NAMES)
    assert [(a.dtype, a.shape, a.tobytes()) for a in restored] == [(a.dtype, a.shape, a.tobytes()) for a in forest]
    assert restored.leaves.flags.writeable
    assert len(stored) == 16 + 286 * trees


def test_layout() -> None:
    forest = Forest(np.full((1, 6), 2, np.uint8), np.full((1, 6), 0.5, np.float32), np.full((1, 64), -1, np.float32))
    names_crc = crc32(b"rank\nlag\nshare").to_bytes(4, "little").hex()
    expected = "01460100" + names_crc + "03000000" + "0000003f" * 6 + "000080bf" * 64 + "02" * 6
    assert encode_forest(forest, NAMES)[:-4].hex() == expected


@pytest.mark.parametrize("at", [0, 1, 2, 5, 9, 40, 400, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    stored = bytearray(encode_forest(some_forest(), NAMES))
    stored[at] ^= 0x10
    with pytest.raises(CorruptStateError, match=r"forest: need .*; got .*\. Delete it"):
        decode_forest(bytes(stored), NAMES)


@pytest.mark.parametrize("length", [0, 10, 300, -1])
def test_a_part_of_it_is_no_forest(length: int) -> None:
    with pytest.raises(CorruptStateError, match="forest: need"):
        decode_forest(encode_forest(some_forest(), NAMES)[:length], NAMES)


@pytest.mark.parametrize("names", [("lag", "rank", "share"), NAMES[:2], ()])
def test_a_forest_over_other_features_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(CorruptStateError, match="features of this release; got 3 others"):
        decode_forest(encode_forest(some_forest(), NAMES), names)
