"""What a user turned down, and what is kept from speaking for it.

====================  ===========================================  ==================================================
flag                  the item is kept out of the user's lists     and of what speaks for other items
====================  ===========================================  ==================================================
`HIDDEN`              for ever                                     every line with the item; and neighbours of the
                                                                   last `NEAR_HIDDEN` lose score (`sources/cooc.py`)
`REMOVED` from cart   while the session lasts                      every line with the item, as long
`REFUNDED`            until a positive event at it                 every purchase of it, as long; looks go on speaking
====================  ===========================================  ==================================================

A positive event at the item takes back a removal and a refund, never a hiding.

A line kept from speaking stays in the history and in all counts. Popularity keeps what the purchase added, too: it was
added forward-decayed, by what it weighed on its day, which may have left the history, and a larger weight taken off
today would make masses negative; and that one user sent an item back says little about what everybody is after.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.core.state.history import History
from stream_rec.core.types import EventKind

HIDDEN, REMOVED, REFUNDED = 1, 2, 4
"""Flags of a mark. Stored: never change."""

FLAG_OF = {
    EventKind.DISLIKE: HIDDEN,
    EventKind.HIDE: HIDDEN,
    EventKind.REMOVE_FROM_CART: REMOVED,
    EventKind.REFUND: REFUNDED,
}
"""What an event of each negative kind sets."""

MARKED_ITEMS = 64
"""Marked items remembered; of those not hidden the oldest is forgotten first."""

NEAR_HIDDEN = 5
"""Hidden items whose neighbours lose score: the last ones."""


class Mark(NamedTuple):
    """Flags of one item, and the session in which the last of them was set (0: before sessions were kept)."""

    flags: int
    session: int


class Marks:
    """The marked items of one user, by item hash, oldest first.

    Attributes
    ----------
    changed
        Whether they changed since they were handed out for writing.

    Examples
    --------
    >>> marks = Marks()
    >>> marks.add(7, REMOVED, session=3)
    >>> marks.kept_out(session=3), marks.kept_out(session=4)
    ([7], [])
    >>> marks.take_back(7)
    >>> len(marks)
    0
    """

    __slots__ = ("_marks", "changed")

    def __init__(self) -> None:
        self._marks: dict[int, Mark] = {}
        self.changed = False

    def __len__(self) -> int:
        return len(self._marks)

    def __iter__(self) -> Iterator[tuple[int, Mark]]:
        return iter(self._marks.items())

    def restore(self, item_hash: int, mark: Mark) -> None:
        """Put a stored mark behind the others."""
        self._marks[item_hash] = mark

    def add(self, item_hash: int, flag: int, session: int) -> None:
        """Mark an item, which becomes the newest; a removal of an earlier session ends with that."""
        marks = self._marks
        before = marks.pop(item_hash, Mark(0, session))
        kept = before.flags if before.session == session else before.flags & ~REMOVED
        marks[item_hash] = Mark(kept | flag, session)
        if len(marks) > MARKED_ITEMS:
            others = (item for item in marks if item != item_hash)
            del marks[min(others, key=lambda item: marks[item].flags & HIDDEN)]
        self.changed = True

    def take_back(self, item_hash: int) -> None:
        """Forget what a positive event at the item undoes: removal and refund."""
        mark = self._marks.get(item_hash)
        if mark is None or mark.flags == HIDDEN:
            return
        if mark.flags & HIDDEN:
            self._marks[item_hash] = Mark(HIDDEN, mark.session)
        else:
            del self._marks[item_hash]
        self.changed = True

    def kept_out(self, session: int) -> list[int]:
        """Return the items that lists for `session` must not show."""
        return [item for item, mark in self if _in_force(mark, session)]

    def hidden(self) -> list[tuple[int, int]]:
        """Return (item, session) of the last `NEAR_HIDDEN` hidden items, newest last."""
        return [(item, mark.session) for item, mark in self if mark.flags & HIDDEN][-NEAR_HIDDEN:]

    def speaking(self, history: History, session: int) -> npt.NDArray[np.bool_]:
        """Return bool[h]: which visible lines may speak for other items in lists for `session`."""
        hashes, kinds = history.hashes_view(), history.kinds()
        speak = np.ones(len(hashes), np.bool_)
        for item, mark in self:
            flags = _in_force(mark, session)
            if flags & (HIDDEN | REMOVED):
                speak &= hashes != item
            elif flags & REFUNDED:
                speak &= (hashes != item) | (kinds != EventKind.PURCHASE)
        return speak


def _in_force(mark: Mark, session: int) -> int:
    """Return the flags that count in `session`."""
    return mark.flags if mark.session == session else mark.flags & ~REMOVED
