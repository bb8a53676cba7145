"""Which partition a key belongs to: Kafka's default partitioner, murmur2.

Java clients, kafka-python and aiokafka use it; librdkafka's default is CRC32, so a shop on librdkafka must set
``partitioner=murmur2_random`` or its users' events are split from the rest of their history.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.types import UInt8Array

_M = np.uint32(0x5BD1E995)
_SEED = np.uint32(0x9747B28C)


@entry()
def _murmur2(data: UInt8Array) -> np.uint32:
    n = len(data)
    h = _SEED ^ np.uint32(n)
    words = n // 4
    for i in range(words):
        o = 4 * i
        k = (
            np.uint32(data[o])
            | (np.uint32(data[o + 1]) << np.uint32(8))
            | (np.uint32(data[o + 2]) << np.uint32(16))
            | (np.uint32(data[o + 3]) << np.uint32(24))
        )
        k = np.uint32(k * _M)
        k ^= k >> np.uint32(24)
        k = np.uint32(k * _M)
        h = np.uint32(h * _M) ^ k
    tail = n - 4 * words
    if tail >= 3:
        h ^= np.uint32(data[4 * words + 2]) << np.uint32(16)
    if tail >= 2:
        h ^= np.uint32(data[4 * words + 1]) << np.uint32(8)
    if tail >= 1:
        h = np.uint32((h ^ np.uint32(data[4 * words])) * _M)
    h ^= h >> np.uint32(13)
    h = np.uint32(h * _M)
    return np.uint32(h ^ (h >> np.uint32(15)))


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition Kafka's default partitioner sends `key` to.

    Notes
    -----
    `(murmur2(key) & 0x7fffffff) mod partitions`, about 1 µs.

    Examples
    --------
    >>> [partition_of(b"u%d" % i, 4) for i in range(6)]
    [2, 0, 2, 2, 2, 3]
    """
    return int(_murmur2(np.frombuffer(key, np.uint8))) % 0x80000000 % partitions
