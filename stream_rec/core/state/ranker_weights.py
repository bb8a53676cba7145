"""The linear ranker's weights: one row of the item plane, shared by all workers, learned with AdaGrad.

A list's weights are θ_shared + θ_context, so that what both contexts have in common is learned from all examples and
each learns only its difference. For a gradient g of the loss with respect to that sum, in both rows (or in that of the
context alone):

    G += g²,   θ -= rate · g / √G

The record on `item-rows`, under `RANKER_KEY` in partition `RANKER_SHARD`; little-endian::

    version u8 | record u8 ('k') | F features u16 | name bytes u32 | delta offset i64
    examples i64[contexts] | θ f64[rows, F] | G f64[rows, F] | names, UTF-8, joined by NUL
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

from stream_rec.core.features import CONTEXTS, COUNTED_SOURCES, FEATURES, WEIGHT_ROWS
from stream_rec.core.presets import RankerParams
from stream_rec.core.types import Float32Array, Float64Array, Int64Array
from stream_rec.errors import CorruptStateError

RANKER_KEY = b"\0ranker"
"""Reserved key of `item-rows`."""

RANKER_SHARD = 0
"""The shard that owns the weights."""

SHARED = WEIGHT_ROWS.index("shared")

TRAINED_EXAMPLES = 2_000
"""Weights that have seen so many examples may serve right after a start."""

VERSION, RECORD = 1, 0x6B
FIRST_SQUARE = 1e-4
_HEADER = struct.Struct("<BBHIq")
_CRC = struct.Struct("<I")


class RankerWeights:
    """Weights θ and sums of squared gradients G, float64[rows, F], rows as in `WEIGHT_ROWS`.

    `serving` float32[contexts, F] is what lists are ordered with.

    Examples
    --------
    >>> weights = RankerWeights(RankerParams(initial=3.0))
    >>> float(weights.theta[0, FEATURES.index("cooc.r6")])
    3.0
    """

    def __init__(self, params: RankerParams) -> None:
        self._rate = params.learning_rate
        self.theta: Float64Array = np.zeros((len(WEIGHT_ROWS), len(FEATURES)))
        for source in COUNTED_SOURCES:  # a model comes later, and has to earn its weight
            self.theta[SHARED, FEATURES.index(f"{source}.r6")] = params.initial
        self.squares: Float64Array = np.full(self.theta.shape, FIRST_SQUARE)
        self.examples: Int64Array = np.zeros(len(CONTEXTS), np.int64)
        self.delta_offset = -1
        self.serving: Float32Array = np.empty((len(CONTEXTS), len(FEATURES)), np.float32)
        self._serve()

    @property
    def trained(self) -> bool:
        """Whether the weights may serve before a contest has been held."""
        return bool(self.examples.sum() >= TRAINED_EXAMPLES)

    def fits(self, context: int, gradient: Float32Array) -> bool:
        """Whether a gradient was made with the same features and is finite; any other is passed over."""
        return context < len(CONTEXTS) and len(gradient) == len(FEATURES) and bool(np.isfinite(gradient).all())

    def step(self, context: int, shared: bool, gradient: Float32Array) -> None:
        """Learn from one example; `gradient` float32[F]. Where not `shared`, the context's own row alone learns."""
        g = gradient.astype(np.float64)
        for row in (SHARED, 1 + context) if shared else (1 + context,):
            self.squares[row] += g * g
            self.theta[row] -= self._rate * g / np.sqrt(self.squares[row])
        self.examples[context] += 1
        self._serve()

    def _serve(self) -> None:
        self.serving[:] = self.theta[SHARED] + self.theta[1:]

    def encode(self) -> bytes:
        """Return the record."""
        names = "\0".join(FEATURES).encode()
        head = _HEADER.pack(VERSION, RECORD, len(FEATURES), len(names), self.delta_offset)
        body = head + self.examples.tobytes() + self.theta.tobytes() + self.squares.tobytes() + names
        return body + _CRC.pack(crc32(body))

    def absorb(self, value: bytes) -> bool:
        """Take over a record that includes more item deltas than what is here; features are matched by name.

        A feature whose numbers are not all finite stays as it is here: no step would mend it.

        Raises
        ------
        CorruptStateError
            Not a whole record of this version.
        """
        names, delta_offset, columns = _decode(value)
        if delta_offset <= self.delta_offset:
            return False
        n, rows = len(names), len(WEIGHT_ROWS)
        theta, squares = columns.reshape(2, rows, n)
        finite = np.isfinite(columns.reshape(2 * rows, n))
        for at, name in enumerate(names):
            if name in FEATURES and finite[:, at].all():
                self.theta[:, FEATURES.index(name)] = theta[:, at]
                self.squares[:, FEATURES.index(name)] = squares[:, at]
        self.examples[:] = np.frombuffer(value, np.int64, len(CONTEXTS), _HEADER.size)
        self._serve()
        self.delta_offset = delta_offset
        return True


def _decode(value: bytes) -> tuple[list[str], int, Float64Array]:
    if len(value) < _HEADER.size + _CRC.size:
        raise _corrupt(f"at least {_HEADER.size + _CRC.size} bytes", f"{len(value)}")
    version, record, n, name_bytes, delta_offset = _HEADER.unpack_from(value)
    if (version, record) != (VERSION, RECORD):
        raise _corrupt(f"version {VERSION} of record {RECORD:#x}", f"version {version} of record {record:#x}")
    columns_at, columns = _HEADER.size + 8 * len(CONTEXTS), 2 * len(WEIGHT_ROWS) * n
    names_at = columns_at + 8 * columns
    if len(value) != names_at + name_bytes + _CRC.size:
        raise _corrupt(f"{names_at + name_bytes + _CRC.size} bytes by its header", f"{len(value)}")
    if crc32(memoryview(value)[: -_CRC.size]) != _CRC.unpack_from(value, len(value) - _CRC.size)[0]:
        raise _corrupt("its CRC-32", "another")
    names = value[names_at : names_at + name_bytes].decode().split("\0")
    return names, delta_offset, np.frombuffer(value, np.float64, columns, columns_at)


def _corrupt(expected: str, actual: str) -> CorruptStateError:
    return CorruptStateError(
        f"ranker weights: need {expected}; got {actual}. "
        "Use the release that wrote it, or name new item-deltas and item-rows topics."
    )
