"""The vocabulary every stage shares."""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Int8Array = npt.NDArray[np.int8]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
UInt8Array = npt.NDArray[np.uint8]
UInt16Array = npt.NDArray[np.uint16]
UInt64Array = npt.NDArray[np.uint64]
Float16Array = npt.NDArray[np.float16]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

NO_ROWS: Int32Array = np.empty(0, np.int32)

LIST_SIZE = 20
"""Items in a published list."""

KIND_BITS = 4
"""Bits of a stored line's tag that hold its `EventKind`; the rest are the session's."""

KIND_MASK = (1 << KIND_BITS) - 1

SOURCE_TOPICS = 2
"""User-keyed source topics whose applied offsets the user state remembers: 0 clicks, 1 purchases."""


class EventKind(IntEnum):
    """What a user did, GA4 e-commerce names. The numbers are stored: never renumber."""

    VIEW_ITEM = 1
    SELECT_ITEM = 2
    ADD_TO_CART = 3
    REMOVE_FROM_CART = 4
    ADD_TO_WISHLIST = 5
    PURCHASE = 6
    REFUND = 7
    DISLIKE = 8
    HIDE = 9
    IDENTIFY = 10


POSITIVE_KINDS = frozenset(
    {EventKind.VIEW_ITEM, EventKind.SELECT_ITEM, EventKind.ADD_TO_CART, EventKind.ADD_TO_WISHLIST, EventKind.PURCHASE}
)
"""Kinds that enter the history and are learned from; `state/marks.py` says what the negative ones do."""


class SourceRecord(Protocol):
    """One raw record as any Kafka client hands it over (aiokafka's `ConsumerRecord` fits)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


NO_TAGS: UInt16Array = np.empty(0, np.uint16)
NONE_HIDDEN: Int32Array = np.empty((2, 0), np.int32)
NO_VECTOR: Float32Array = np.empty(0, np.float32)


class UserView(NamedTuple):
    """What a source may know of a user when it proposes.

    `rows` int32[h]: item rows of the history, oldest first. `sessions` int32[h]: session number of each. `times_ms`
    int64[h]: event time of each. `session`: number of the session being continued (one more than the last when a new
    visit starts). `now_ms`: the time the list is for. `pending`: how many of the last lines the item table has not
    counted yet, because they came in this round. `tags` uint16[h]: kind of each line in the low `KIND_BITS` bits; read
    for pending lines and the few before them, and may be empty where none is pending. `hidden` int32[2, n]: rows of
    the last items the user hid, newest last and -1 for unknown ones, over the session of each; empty for nearly
    everybody. `vector` float32[d] and `near` int32[n]: what the sequence model makes of the history, and the rows it
    proposes, best first; empty without a model. Lines that are not to speak (`state/marks.py`) are left out.
    """

    rows: Int32Array
    sessions: Int32Array
    times_ms: Int64Array
    session: int
    now_ms: int
    pending: int
    tags: UInt16Array = NO_TAGS
    hidden: Int32Array = NONE_HIDDEN
    vector: Float32Array = NO_VECTOR
    near: Int32Array = NO_ROWS


class Cold(NamedTuple):
    """Items with few events whose texts are nearest to what a user had last, best first.

    `rows` int32[n], `because` int32[n]: the history row that speaks most for each, `scores` float64[n], `unsold`
    bool[n]: whether an item has no event at all.
    """

    rows: Int32Array
    because: Int32Array
    scores: Float64Array
    unsold: BoolArray


NONE_COLD = Cold(NO_ROWS, NO_ROWS, np.empty(0), np.empty(0, np.bool_))


class Ranked(NamedTuple):
    """One order over all candidates, best first.

    `rows` int32[n], `scores` float64[n], `sources` int32[n]: index of the source that contributed most.
    """

    rows: Int32Array
    scores: Float64Array
    sources: Int32Array


def item_hash(item_id: str) -> int:
    """Return the stable 64-bit identity of an item id; the same in every process and version.

    Examples
    --------
    >>> item_hash("85123A") == item_hash("85123A") != item_hash("85123B")
    True
    """
    return int.from_bytes(blake2b(item_id.encode(), digest_size=8).digest(), "little")
