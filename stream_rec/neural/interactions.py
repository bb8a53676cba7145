"""A log as the models see it: each user's positive events together, oldest first, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stream_rec.core.events import KINDS
from stream_rec.core.types import POSITIVE_KINDS, Int64Array
from stream_rec.errors import ConfigError

BoolArray = npt.NDArray[np.bool_]

GAP_STEPS, QUANTITY_STEPS, BASKET_STEPS = 24, 12, 2
"""How many values each context input has: log2 of the seconds since the user's last event, log2 of the quantity,
whether a basket begins."""

BASKET_GAP_S = 30 * 60
"""Where a log has no session ids, a longer pause begins a basket."""


class Interaction(Protocol):
    """What training reads of an event; a log's `LogEvent` fits."""

    @property
    def timestamp_ms(self) -> int: ...
    @property
    def user_id(self) -> str: ...
    @property
    def item_id(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def quantity(self) -> float | None: ...
    @property
    def session_id(self) -> str | None: ...


@dataclass(frozen=True)
class Interactions:
    """Positive events in user-major order; a *place* is an index into it.

    Parameters
    ----------
    item_ids
        The catalogue; `items` are indices into it.
    starts
        int64[users + 1]: first place of each user.
    users, items
        int64[events].
    context
        int64[events, 3]: the inputs of `GAP_STEPS`, `QUANTITY_STEPS`, `BASKET_STEPS`.
    places
        int64[events]: the place of the log's i-th event.
    first
        bool[events]: whether the user has the item for the first time.
    times_ms
        int64[events], in the order of the log.
    """

    item_ids: Sequence[str]
    starts: Int64Array
    users: Int64Array
    items: Int64Array
    context: Int64Array
    places: Int64Array
    first: BoolArray
    times_ms: Int64Array

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Split:
    """Which events of the log are for what, by index: learned [since, train), scored [test, end); between lies a gap.

    The events before `since` are what users did before.
    """

    train: int
    test: int
    end: int
    since: int = 0

    def learned(self, log: Interactions) -> BoolArray:
        """Return bool[events]: the places to learn."""
        learned = np.zeros(len(log), np.bool_)
        learned[log.places[self.since : self.train]] = True
        return learned

    def train_lengths(self, log: Interactions) -> Int64Array:
        """Return int64[users]: how many of each user's events come before the gap."""
        return np.bincount(log.users[log.places[: self.train]], minlength=len(log.starts) - 1)

    def item_events(self, log: Interactions) -> Int64Array:
        """Return int64[items]: how many events each item has before the gap."""
        return np.bincount(log.items[log.places[: self.train]], minlength=len(log.item_ids))


def split_by_share(log: Interactions, train: float, test: float, since: int = 0) -> Split:
    """Return the split with the oldest share for learning and the newest for the metric, of the events from `since` on.

    Raises
    ------
    ConfigError
        The shares overlap, or one of them holds no event.
    """
    end = len(log)
    n = end - since
    split = Split(since + int(n * train), end - int(n * test), end, since)
    if not since < split.train <= split.test < end:
        raise ConfigError(
            f"--train {train:g}, --test {test:g}: need shares that do not overlap and hold an event each; got "
            f"{split.train - since:,} and {end - split.test:,} of {n:,} positive events. Choose others, or more events."
        )
    return split


def index_at(log: Interactions, time_ms: int) -> int:
    """Return the index of the log's first event of that time or later; its length if there is none."""
    return int(np.searchsorted(np.maximum.accumulate(log.times_ms), time_ms)) if len(log) else 0


def interactions_of(events: Iterable[Interaction], catalogue: Iterable[str] = ()) -> Interactions:
    """Return the positive events of a log, and all items of the catalogue and of the events.

    Cost: about 2 µs an event.

    Examples
    --------
    >>> from types import SimpleNamespace as E
    >>> def line(t, user, item):
    ...     return E(timestamp_ms=t, user_id=user, item_id=item, event="purchase", quantity=1, session_id=None)
    >>> log = interactions_of([line(0, "u", "A"), line(1, "v", "B"), line(9, "u", "B")], ["C"])
    >>> list(log.item_ids), log.items.tolist(), log.starts.tolist()
    (['C', 'A', 'B'], [1, 2, 2], [0, 2, 3])
    """
    item_of = {item_id: index for index, item_id in enumerate(dict.fromkeys(catalogue))}
    user_of: dict[str, int] = {}
    session_of: dict[str | None, int] = {None: -1}
    positive = {name for name, kind in KINDS.items() if kind in POSITIVE_KINDS}
    rows = [
        (
            user_of.setdefault(event.user_id, len(user_of)),
            item_of.setdefault(event.item_id, len(item_of)),
            event.timestamp_ms,
            session_of.setdefault(event.session_id, len(session_of)),
            event.quantity or 1.0,
        )
        for event in events
        if event.event in positive
    ]
    table = np.array(rows, np.float64).reshape(len(rows), 5)  # whole numbers below 2^53 stay exact
    columns = table[:, :4].astype(np.int64)
    order = np.argsort(columns[:, 0], kind="stable")
    users, items, times_ms, sessions = columns[order].T.copy()
    starts = np.concatenate(([0], np.cumsum(np.bincount(users, minlength=len(user_of))))).astype(np.int64)
    places = np.empty(len(rows), np.int64)
    places[order] = np.arange(len(rows))
    return Interactions(
        item_ids=list(item_of),
        starts=starts,
        users=users,
        items=items,
        context=_context(starts, times_ms, sessions, table[order, 4]),
        places=places,
        first=_first_times(users * len(item_of) + items),
        times_ms=columns[:, 2],
    )


def _context(
    starts: Int64Array, times_ms: Int64Array, sessions: Int64Array, quantity: npt.NDArray[np.float64]
) -> Int64Array:
    begins = np.zeros(len(times_ms), np.bool_)
    begins[starts[:-1]] = True
    gap_s = np.diff(times_ms, prepend=0) / 1000
    gap_s[begins] = 0
    other_session = (np.diff(sessions, prepend=-2) != 0) | ((sessions < 0) & (gap_s > BASKET_GAP_S))
    steps = (
        np.minimum(np.log2(np.maximum(gap_s, 0) + 1), GAP_STEPS - 1),
        np.minimum(np.log2(np.maximum(quantity, 1)), QUANTITY_STEPS - 1),
        begins | other_session,
    )
    return np.stack([step.astype(np.int64) for step in steps], axis=1)


def _first_times(pairs: Int64Array) -> BoolArray:
    """Return whether each value comes for the first time."""
    first = np.zeros(len(pairs), np.bool_)
    first[np.unique(pairs, return_index=True)[1]] = True
    return first
