"""How items fare that nobody had yet: in the list of their own, beside a random order, and what lists show of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stream_rec.backtest.bootstrap import clustered_difference
from stream_rec.backtest.event_log import LogEvent
from stream_rec.backtest.records import LogRecord
from stream_rec.core.looks import FreshLook, Observer, ServedLook, place_of
from stream_rec.core.orders import NEW_ITEMS
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float64Array, Int32Array


class NewItemKeeper:
    """Hands every look on to `observer`, and notes the place of items nobody had yet among the new ones.

    Attributes
    ----------
    places
        int32[events]: 1-based place among the user's new items, before those the list shows are left out; 0 = not
        there, -1 where the item was known or nothing was looked at.
    by_chance
        float64[events]: how often a random order of all items nobody had yet would have it among its first five.
    listed
        int32[events]: items nobody had yet in the list made, -1 where nothing was looked at.
    """

    def __init__(self, observer: Observer, items: ItemTable, events: int) -> None:
        self._observer, self._items = observer, items
        self.places: Int32Array = np.full(events, -1, np.int32)
        self.by_chance: Float64Array = np.zeros(events)
        self.listed: Int32Array = np.full(events, -1, np.int32)

    def served(self, look: ServedLook) -> None:
        """Hand it on."""
        self._observer.served(look)

    def fresh(self, look: FreshLook) -> None:
        """Hand it on and note the place."""
        self._observer.fresh(look)
        assert isinstance(look.record, LogRecord)
        index, items = look.record.event_index, self._items
        self.listed[index] = np.count_nonzero(items.event_count[look.served] == 0)
        if items.event_count[look.item_row] == 0:
            self.places[index] = place_of(look.item_row, look.orders.new.tolist())
            unsold = (items.event_count[: items.n] == 0) & (items.named[: items.n] == 1)
            self.by_chance[index] = min(1.0, NEW_ITEMS / max(1, int(np.count_nonzero(unsold))))

    def as_dict(self, events: Sequence[LogEvent]) -> dict[str, Any]:
        """Return the figures of the last half, with 95 % intervals over users."""
        half = len(events) // 2
        at = half + np.flatnonzero(self.places[half:] >= 0)
        numbers: dict[str, int] = {}
        users = np.array([numbers.setdefault(events[place].user_id, len(numbers)) for place in at.tolist()], np.int32)
        hits = (self.places[at] > 0).astype(np.float64)
        looked = self.listed[half:][self.listed[half:] >= 0]
        return {
            "n": len(at),
            "hr@5": clustered_difference(hits, users)._asdict(),
            "random": float(self.by_chance[at].mean()) if len(at) else 0.0,
            "listed": float(looked.mean()) if len(looked) else 0.0,
        }
