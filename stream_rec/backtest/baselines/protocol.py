"""What a baseline sees of a log, and what every one of them promises."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from stream_rec.core.types import Int32Array


class Sizes(NamedTuple):
    """How large a baseline's arrays have to be; nothing else of the future is known to it."""

    users: int
    items: int
    events: int


class Moment(NamedTuple):
    """What is known just before an event.

    `user`: number of the user. `rows` int32[h], `sessions` int32[h]: their events so far, oldest first, and the
    session number of each; views, not to be kept or changed. `session`: the session the event belongs to, one more
    than the last when it begins one. `now_ms`: time of the event. `known`: items seen so far are the rows below it.
    """

    user: int
    rows: Int32Array
    sessions: Int32Array
    session: int
    now_ms: int
    known: int


class Baseline(Protocol):
    """Ranks the items seen so far, and learns from one event after another."""

    name: str
    source: str  # author, year and title

    def rank(self, moment: Moment, excluded: Int32Array, k: int) -> Int32Array:
        """Return int32[<= k] distinct rows below `moment.known` without `excluded`, best first.

        `excluded` int32[m] may repeat rows. Nothing that a later call could see is changed.
        """
        ...

    def learn(self, moment: Moment, row: int, *, shared: bool = True) -> None:
        """Learn that the user of `moment` met item `row`; it may be the first event of the item or of the user.

        With `shared` false only what belongs to this one user may change: the items are frozen.
        """
        ...
