"""Rules: rows a user is not to be shown. Out of stock is no rule of a user: `ItemTable.listable` covers it."""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.types import Int32Array, UInt8Array


@entry()
def _flag(flags: UInt8Array, rows: Int32Array, value: int) -> None:
    for row in rows:
        if row >= 0:
            flags[row] = value


def rows_to_exclude(had: Int32Array, hidden: Int32Array, *, repeats: bool) -> Int32Array:
    """Return int32[n]: the rows that are kept from a user; may repeat rows, and -1 for items nobody knows.

    Parameters
    ----------
    had
        int32[h], what the user had already; excluded unless `repeats` are allowed.
    hidden
        int32[m], what the user turned down (`state/marks.py`); always excluded.

    Examples
    --------
    >>> had, hidden = np.array([4, 5], np.int32), np.array([9], np.int32)
    >>> rows_to_exclude(had, hidden, repeats=True).tolist(), rows_to_exclude(had, hidden, repeats=False).tolist()
    ([9], [4, 5, 9])
    """
    if repeats:
        return hidden
    return np.concatenate((had, hidden)) if len(hidden) else had


def exclude_rows(scratch: Scratch, rows: Int32Array) -> None:
    """Keep `rows` out of every proposal until `clear_exclusions`; rows below 0 are passed over."""
    if len(rows):
        _flag(scratch.excluded, rows, 1)


def clear_exclusions(scratch: Scratch, rows: Int32Array) -> None:
    """Undo `exclude_rows` for the same rows; call it for every user, or the next one inherits the exclusions."""
    if len(rows):
        _flag(scratch.excluded, rows, 0)
