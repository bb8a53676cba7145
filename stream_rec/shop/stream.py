"""The shop's event stream: blocks of visits, merged into one order of time, without end and in bounded memory.

The same seed, users and items give the same stream, event for event; a longer run starts with the shorter one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.shop.catalogue import build_catalogue
from stream_rec.shop.checkout import EVENT_NAMES, Checkout
from stream_rec.shop.demand import Demand, Items
from stream_rec.shop.judge import Judge
from stream_rec.shop.oracle import Oracle
from stream_rec.shop.seasons import VisitClock, day_of
from stream_rec.shop.users import Users
from stream_rec.shop.visits import Visits

VISITS_PER_USER_DAY = 0.3
PAUSE_MS = 3 * 3_600_000  # a user's visits are at least so far apart
REFRESH_EVENTS = 8_000  # a day's demand is reused until so many events have come


Column = npt.NDArray[np.integer[Any]]


class ShopEvent(NamedTuple):
    """One event as plain values. `oracle_rank`: place in the oracle's list, 0 not in it, -1 not asked."""

    timestamp_ms: int
    user_id: str
    item_id: str
    event: str
    quantity: int
    price: float
    oracle_rank: int


class EventBlock(NamedTuple):
    """Events in order of time, one array per column, all of one length.

    `time_ms` int64, `user` int64 (number), `item` int64 (catalogue row), `kind` int8 (index of `EVENT_NAMES`),
    `quantity` int16, `oracle_rank` int8: place in the oracle's list, 0 not in it, -1 not asked.
    """

    time_ms: Column
    user: Column
    item: Column
    kind: Column
    quantity: Column
    oracle_rank: Column

    def take(self, index: Items | slice | npt.NDArray[np.bool_]) -> EventBlock:
        """Return the events at `index`."""
        return EventBlock(*(column[index] for column in self))


class Shop:
    """A generated shop.

    Parameters
    ----------
    users, items
        How many there are in the end; users beyond `users.POOL_LIMIT` come as newcomers over time.
    seed
        Everything random follows from it.
    oracle_every
        Ask the oracle about every so-many-th event (at random); 0: never. May be set at any time: the stream stays
        the same.

    Notes
    -----
    About 300 bytes per user alive and 100 per item; 50,000+ events/s on one core with the oracle off.
    """

    def __init__(self, users: int = 2_000, items: int = 2_000, seed: int = 1, oracle_every: int = 0) -> None:
        self.catalogue = build_catalogue(items, seed)
        self._demand = Demand(self.catalogue)
        self._seed, self.oracle_every = seed, oracle_every
        self._users = Users(users, self.catalogue, self._demand, np.random.default_rng([seed, 2]))
        self._clock = VisitClock(VISITS_PER_USER_DAY * users)
        self._visits_per_block = int(np.clip(self._users.pool // 16, 1, 2048))
        self._oracle = Oracle(self._demand)

    def blocks(self) -> Iterator[EventBlock]:
        """Yield the stream from its start, block by block, without end. Call once per `Shop`."""
        waiting = _empty()
        visits_before, since_refresh, refreshed, number = 0.0, 0, 0, 0
        while True:
            rng = np.random.default_rng([self._seed, 3, number])
            expected = visits_before + np.cumsum(rng.exponential(size=self._visits_per_block))
            starts = self._clock.time_ms(expected)
            day = day_of(float(starts[0]))
            if since_refresh >= REFRESH_EVENTS and int(day) > refreshed:
                self._demand.refresh(day)
                since_refresh, refreshed = 0, int(day)
            waiting = _merge(waiting, self._block(starts, day, rng, number))
            until = int(np.searchsorted(waiting.time_ms, starts[-1]))
            yield waiting.take(slice(0, until))
            since_refresh += until
            waiting = waiting.take(slice(until, None))
            visits_before, number = float(expected[-1]), number + 1

    def _block(self, starts: Items, day: float, rng: np.random.Generator, number: int) -> EventBlock:
        users, demand = self._users, self._demand
        who = users.choose(len(starts), rng)
        start = np.maximum(starts[: len(who)], users.free_ms[who] + PAUSE_MS)
        users.arrive(who, day, demand, rng)
        visits = Visits(who, day, users, demand)
        judge = Judge(self._oracle, self.oracle_every, np.random.default_rng([self._seed, 4, number]))
        checkout = Checkout(visits, start, users, judge, rng)
        row, *columns = checkout.play()
        users.free_ms[who] = checkout.now_ms
        return EventBlock(columns[0], users.number[who[row]], *columns[1:])

    def events(self, n: int | None = None) -> Iterator[ShopEvent]:
        """Yield the first `n` events (all of the endless stream if `None`) as plain values."""
        for block in self.first(n):
            yield from self.plain(block)

    def first(self, n: int | None) -> Iterator[EventBlock]:
        """Yield blocks that hold the first `n` events together."""
        left = n
        for block in self.blocks():
            if left is not None and len(block.time_ms) >= left:
                yield block.take(slice(0, left))
                return
            left = None if left is None else left - len(block.time_ms)
            yield block

    def plain(self, block: EventBlock) -> Iterator[ShopEvent]:
        """Yield a block's events as plain values."""
        price = np.round(self.catalogue.price[block.item].astype(float), 2).tolist()
        columns = (column.tolist() for column in block)
        for (time_ms, user, item, kind, quantity, rank), cost in zip(zip(*columns, strict=True), price, strict=True):
            yield ShopEvent(time_ms, f"u{user:07d}", f"P{item:07d}", EVENT_NAMES[kind], quantity, cost, rank)


def _empty() -> EventBlock:
    none = np.empty(0, np.int64)
    return EventBlock(none, none, none, none.astype(np.int8), none.astype(np.int16), none.astype(np.int8))


def _merge(waiting: EventBlock, new: EventBlock) -> EventBlock:
    """Merge by time; a user's events of one instant keep their order."""
    both = join([waiting, new])
    return both.take(np.lexsort((both.user, both.time_ms)))


def join(blocks: Sequence[EventBlock]) -> EventBlock:
    """Return the blocks as one."""
    columns: list[list[Column]] = [[block[at] for block in blocks] for at in range(len(EventBlock._fields))]
    return EventBlock(*(np.concatenate(column) for column in columns))
