"""Scores every look of a backtest: fused, per source, popularity; fresh and served."""

from __future__ import annotations

import json
from typing import Any, TextIO

from stream_rec.backtest.records import LogRecord
from stream_rec.core.evaluate import HalvedMetrics
from stream_rec.core.looks import FreshLook, ServedLook, place_of
from stream_rec.core.presets import SOURCE_NAMES
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import LIST_SIZE

LIST = "list"
"""The list that would be published."""

RANKERS = ("fusion", "linear")
TRACEABLE = (*SOURCE_NAMES, *RANKERS, LIST)


class Scorer:
    """The observer of a backtest.

    Parameters
    ----------
    events
        Length of the log: the last half begins at `events // 2`.
    discovery
        Repeats are excluded from the lists, so an event that repeats an item is learned from but not scored.
    trace, trace_source
        Where one JSON line per scored event goes, and whose list it shows.
    """

    def __init__(
        self, events: int, items: ItemTable, discovery: bool, trace: TextIO | None = None, trace_source: str = LIST
    ) -> None:
        self._items = items
        self._discovery = discovery
        self._trace = trace
        self._trace_place = TRACEABLE.index(trace_source)
        self._half = events // 2
        self.scored = 0
        self._listed: set[int] = set()
        self._fresh = {name: HalvedMetrics(events) for name in TRACEABLE}
        self._popularity = HalvedMetrics(events)
        self._fresh_by_place = {True: HalvedMetrics(events), False: HalvedMetrics(events)}
        self._served = HalvedMetrics(events)
        self._served_by_place = {True: HalvedMetrics(events), False: HalvedMetrics(events)}
        self._served_coalesced = HalvedMetrics(events)

    def served(self, look: ServedLook) -> None:
        """Score the list the user had last got."""
        if self._discovery and look.had:
            return
        index = _index(look.record)
        if look.coalesced:
            self._served_coalesced.add(index, look.place)
            return
        self._served.add(index, look.place)
        self._served_by_place[look.first_of_session].add(index, look.place)

    def fresh(self, look: FreshLook) -> None:
        """Score the list made just before learning, and every source's own list."""
        if self._discovery and look.had:
            return
        index = _index(look.record)
        self.scored += 1
        orders = look.orders
        lists = [orders.evidence.list_of(source, LIST_SIZE).tolist() for source in range(len(SOURCE_NAMES))]
        lists += [orders.fusion.tolist(), orders.linear.tolist(), look.served.tolist()]
        for name, rows in zip(TRACEABLE, lists, strict=True):
            self._fresh[name].add(index, place_of(look.item_row, rows))
        fused = place_of(look.item_row, lists[-1])
        self._fresh_by_place[look.first_of_session].add(index, fused)
        self._popularity.add(index, place_of(look.item_row, look.popular.tolist()))
        if index >= self._half:
            self._listed.update(lists[-1])
        if self._trace is not None:
            ids = [self._items.ids[row] for row in lists[self._trace_place]]
            self._trace.write(json.dumps({"event_index": index, "items": ids}) + "\n")

    def as_dict(self) -> dict[str, Any]:
        """Return every figure, keyed as `backtest --json` prints it."""
        known = max(1, int((self._items.event_count[: self._items.n] > 0).sum()))
        return {
            "scored": self.scored,
            "fresh": {
                **self._fresh[LIST].as_dict(),
                "first_of_session": self._fresh_by_place[True].last_half.as_dict(),
                "later": self._fresh_by_place[False].last_half.as_dict(),
                "coverage": len(self._listed) / known,
            },
            "served": {
                **self._served.as_dict(),
                "first_of_session": self._served_by_place[True].last_half.as_dict(),
                "later": self._served_by_place[False].last_half.as_dict(),
                "coalesced": self._served_coalesced.last_half.as_dict(),
            },
            "rankers": {name: self._fresh[name].as_dict() for name in RANKERS},
            "sources": {name: self._fresh[name].as_dict() for name in SOURCE_NAMES},
            "popularity": self._popularity.as_dict(),
        }


def _index(record: object) -> int:
    assert isinstance(record, LogRecord)
    return record.event_index
