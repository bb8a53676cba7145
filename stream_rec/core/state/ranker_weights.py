"""The linear ranker's weights: one row of the item plane, shared by all workers, learned with AdaGrad.

For a gradient g of the loss with respect to the weights of one context:

    G += g²,   θ -= rate · g / √G

The record on `item-rows`, under `RANKER_KEY` in partition `RANKER_SHARD`; little-endian::

    version u8 | record u8 ('k') | F features u16 | name bytes u32 | delta offset i64
    examples i64[contexts] | θ f64[contexts, F] | G f64[contexts, F] | names, UTF-8, joined by NUL
    CRC-32 of all before u32

References
----------
Duchi, Hazan, Singer (2011), "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12.
https://jmlr.org/papers/v12/duchi11a.html
"""

from __future__ import annotations

import struct
from zlib import crc32

import numpy as np

from stream_rec.core.features import CONTEXTS, FEATURES, SCORED_SOURCES
from stream_rec.core.presets import RankerParams
from stream_rec.core.types import Float32Array, Float64Array, Int64Array
from stream_rec.errors import CorruptStateError

RANKER_KEY = b"\0ranker"
"""Reserved key of `item-rows`."""

RANKER_SHARD = 0
"""The shard that owns the weights."""

VERSION, RECORD = 1, 0x6B
FIRST_SQUARE = 1e-4
_HEADER = struct.Struct("<BBHIq")
_CRC = struct.Struct("<I")


class RankerWeights:
    """Weights θ and sums of squared gradients G, float64[contexts, F]; `serving` is θ as kernels take it, float32.

    Examples
    --------
    >>> weights = RankerWeights(RankerParams(initial=3.0))
    >>> weights.theta[0, FEATURES.index("cooc.r6")]
    3.0
    """

    def __init__(self, params: RankerParams) -> None:
        self._rate = params.learning_rate
        self.theta: Float64Array = np.zeros((len(CONTEXTS), len(FEATURES)))
        for source in SCORED_SOURCES:
            self.theta[:, FEATURES.index(f"{source}.r6")] = params.initial
        self.squares: Float64Array = np.full(self.theta.shape, FIRST_SQUARE)
        self.examples: Int64Array = np.zeros(len(CONTEXTS), np.int64)
        self.delta_offset = -1
        self.serving: Float32Array = self.theta.astype(np.float32)

    def fits(self, context: int, gradient: Float32Array) -> bool:
        """Whether a gradient was made with the same features; one of another release is passed over."""
        return context < len(CONTEXTS) and len(gradient) == len(FEATURES)

    def step(self, context: int, gradient: Float32Array) -> None:
        """Learn from one example; `gradient` float32[F]."""
        g = gradient.astype(np.float64)
        self.squares[context] += g * g
        self.theta[context] -= self._rate * g / np.sqrt(self.squares[context])
        self.serving[context] = self.theta[context]
        self.examples[context] += 1

    def encode(self) -> bytes:
        """Return the record."""
        names = "\0".join(FEATURES).encode()
        head = _HEADER.pack(VERSION, RECORD, len(FEATURES), len(names), self.delta_offset)
        body = head + self.examples.tobytes() + self.theta.tobytes() + self.squares.tobytes() + names
        return body + _CRC.pack(crc32(body))

    def absorb(self, value: bytes) -> bool:
        """Take over a record that includes more item deltas than what is here; features are matched by name.

        Raises
        ------
        CorruptStateError
            Not a whole record of this version.
        """
        names, delta_offset, columns = _decode(value)
        if delta_offset <= self.delta_offset:
            return False
        n, contexts = len(names), len(CONTEXTS)
        theta = columns[: contexts * n].reshape(contexts, n)
        squares = columns[contexts * n :].reshape(contexts, n)
        for at, name in enumerate(names):
            if name in FEATURES:
                self.theta[:, FEATURES.index(name)] = theta[:, at]
                self.squares[:, FEATURES.index(name)] = squares[:, at]
        self.examples[:] = np.frombuffer(value, np.int64, contexts, _HEADER.size)
        self.serving[:] = self.theta
        self.delta_offset = delta_offset
        return True


def _decode(value: bytes) -> tuple[list[str], int, Float64Array]:
    if len(value) < _HEADER.size + _CRC.size:
        raise _corrupt(f"at least {_HEADER.size + _CRC.size} bytes", f"{len(value)}")
    version, record, n, name_bytes, delta_offset = _HEADER.unpack_from(value)
    if (version, record) != (VERSION, RECORD):
        raise _corrupt(f"version {VERSION} of record {RECORD:#x}", f"version {version} of record {record:#x}")
    contexts = len(CONTEXTS)
    names_at = _HEADER.size + 8 * contexts + 16 * contexts * n
    if len(value) != names_at + name_bytes + _CRC.size:
        raise _corrupt(f"{names_at + name_bytes + _CRC.size} bytes by its header", f"{len(value)}")
    if crc32(memoryview(value)[: -_CRC.size]) != _CRC.unpack_from(value, len(value) - _CRC.size)[0]:
        raise _corrupt("its CRC-32", "another")
    names = value[names_at : names_at + name_bytes].decode().split("\0")
    return names, delta_offset, np.frombuffer(value, np.float64, 2 * contexts * n, _HEADER.size + 8 * contexts)


def _corrupt(expected: str, actual: str) -> CorruptStateError:
    return CorruptStateError(
        f"ranker weights: need {expected}; got {actual}. "
        "Use the release that wrote it, or name new item-deltas and item-rows topics."
    )
