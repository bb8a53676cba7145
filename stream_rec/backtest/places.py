"""Keeps the place every scored event had in the list made before it, so that methods can be compared event by event."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from stream_rec.backtest.records import LogRecord
from stream_rec.backtest.walk import NOT_SCORED
from stream_rec.core.looks import FreshLook, Observer, ServedLook, place_of
from stream_rec.core.types import Int32Array

ListOf = Callable[[FreshLook], Int32Array]


class PlaceKeeper:
    """Hands every look on to `observer` and notes the place in the fused, fresh list.

    Parameters
    ----------
    observer
        Who else wants to see the looks; may be none.
    events
        Length of the log.
    discovery
        Events that repeat an item of their user are not scored.
    others
        Other lists to look into, by name: what each makes of a look.

    Attributes
    ----------
    places
        int8[events], 1-based, 0 = not listed, `NOT_SCORED` where nothing was looked at.
    places_of
        The same for each of the others.
    first_of_session
        bool[events], whether the event began a session; meaningful where a place is.
    """

    def __init__(
        self, observer: Observer | None, events: int, discovery: bool, others: Mapping[str, ListOf] | None = None
    ) -> None:
        self._observer = observer
        self._discovery = discovery
        self._others = others or {}
        self.places = np.full(events, NOT_SCORED, np.int8)
        self.places_of = {name: self.places.copy() for name in self._others}
        self.first_of_session = np.zeros(events, np.bool_)

    def served(self, look: ServedLook) -> None:
        """Hand it on."""
        if self._observer is not None:
            self._observer.served(look)

    def fresh(self, look: FreshLook) -> None:
        """Hand it on and note the place."""
        if self._observer is not None:
            self._observer.fresh(look)
        if self._discovery and look.had:
            return
        assert isinstance(look.record, LogRecord)
        index = look.record.event_index
        self.places[index] = place_of(look.item_row, look.served.tolist())
        for name, list_of in self._others.items():
            self.places_of[name][index] = place_of(look.item_row, list_of(look).tolist())
        self.first_of_session[index] = look.first_of_session
