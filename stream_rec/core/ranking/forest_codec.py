"""How a forest is stored: a head, its three arrays, a checksum. Little-endian; nothing in it is code.

    u8 version | u8 record | u16 trees | u32 features | u32 number of features | f32 v[T, 6] | f32 leaves[T, 64]
    | u8 f[T, 6] | u32 CRC-32 of all before

`features` is the CRC-32 of the features' names in order: a forest asks for columns by number, and those of another
release must not answer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from stream_rec.core.ranking.trees import DEPTH, N_LEAVES, Forest
from stream_rec.errors import CorruptStateError

VERSION = 1
FOREST_RECORD = 0x46
_HEAD = struct.Struct("<BBHII")
_CRC = struct.Struct("<I")
_TREE_BYTES = 4 * DEPTH + 4 * N_LEAVES + DEPTH


def encode_forest(forest: Forest, feature_names: Sequence[str]) -> bytes:
    """Return the stored form of a forest over these features; 286 bytes a tree.

    Examples
    --------
    >>> forest = Forest(np.ones((1, 6), np.uint8), np.zeros((1, 6), np.float32), np.zeros((1, 64), np.float32))
    >>> decode_forest(encode_forest(forest, ["lag", "rank"]), ["lag", "rank"]).split_feature.tolist()
    [[1, 1, 1, 1, 1, 1]]
    """
    head = _HEAD.pack(VERSION, FOREST_RECORD, len(forest.leaves), _names_crc(feature_names), len(feature_names))
    values, leaves = forest.split_value.astype("<f4"), forest.leaves.astype("<f4")
    body = head + values.tobytes() + leaves.tobytes() + forest.split_feature.tobytes()
    return body + _CRC.pack(crc32(body))


def decode_forest(data: bytes, feature_names: Sequence[str]) -> Forest:
    """Return the forest of stored bytes; its arrays are its own.

    Raises
    ------
    CorruptStateError
        Not a whole record of this version, or a forest over other features.
    """
    if len(data) < _HEAD.size + _CRC.size:
        raise _corrupt(f"at least {_HEAD.size + _CRC.size} bytes", f"{len(data)}")
    version, record, n_trees, names_crc, n_features = _HEAD.unpack_from(data)
    if (version, record) != (VERSION, FOREST_RECORD):
        raise _corrupt(f"version {VERSION} of record {FOREST_RECORD:#x}", f"version {version} of {record:#x}")
    if len(data) != _HEAD.size + n_trees * _TREE_BYTES + _CRC.size:
        raise _corrupt(f"{n_trees} trees by its head", f"{len(data)} bytes")
    if crc32(data[: -_CRC.size]) != _CRC.unpack_from(data, len(data) - _CRC.size)[0]:
        raise _corrupt("its CRC-32", "another")
    if (names_crc, n_features) != (_names_crc(feature_names), len(feature_names)):
        raise _corrupt(f"the {len(feature_names)} features of this release", f"{n_features} others")
    values_end = _HEAD.size + 4 * DEPTH * n_trees
    values = np.frombuffer(data, "<f4", n_trees * DEPTH, _HEAD.size)
    leaves = np.frombuffer(data, "<f4", n_trees * N_LEAVES, values_end)
    features = np.frombuffer(data, np.uint8, n_trees * DEPTH, values_end + 4 * N_LEAVES * n_trees)
    return Forest(
        split_feature=features.reshape(n_trees, DEPTH).copy(),
        split_value=values.reshape(n_trees, DEPTH).astype(np.float32),
        leaves=leaves.reshape(n_trees, N_LEAVES).astype(np.float32),
    )


def _names_crc(feature_names: Sequence[str]) -> int:
    return crc32("\n".join(feature_names).encode())


def _corrupt(expected: str, actual: str) -> CorruptStateError:
    return CorruptStateError(f"forest: need {expected}; got {actual}. Delete it: the next fit makes another.")
