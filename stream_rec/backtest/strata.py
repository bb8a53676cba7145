"""Events by what was known of them: place in the session, age of the item, activity of the user."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.backtest.stream import Stream
from stream_rec.core.types import Int64Array


class Strata(NamedTuple):
    """One way to cut events into groups: `labels` of the groups, and int64[n] `group`, the number of each event's."""

    title: str
    labels: tuple[str, ...]
    group: Int64Array


def all_strata(stream: Stream) -> tuple[Strata, ...]:
    """Return the three cuts of a stream's events; each looks only at what came before the event."""
    visits = stream.users.astype(np.int64) << 32 | stream.sessions
    return (
        _cut("Place of the event in its session", earlier_of_same(visits) + 1, (1, 2, 3, 6, 11, 21)),
        _cut("Earlier events of the item", earlier_of_same(stream.items), (0, 1, 5, 20, 100, 500)),
        _cut("Earlier events of the user", earlier_of_same(stream.users), (1, 5, 20, 100, 500)),
    )


def earlier_of_same(values: npt.NDArray[np.integer]) -> Int64Array:
    """Return int64[n]: how often each value occurred before.

    Examples
    --------
    >>> earlier_of_same(np.array([7, 7, 9, 7])).tolist()
    [0, 1, 0, 2]
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(values) else order
    lengths = np.diff(np.append(starts, len(values)))
    earlier = np.empty(len(values), np.int64)
    earlier[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return earlier


def _cut(title: str, counts: Int64Array, lower: tuple[int, ...]) -> Strata:
    """Cut counts into [lower[0], lower[1]), …, [lower[-1], ∞); what is below the first belongs to it."""
    labels = [str(low) if low + 1 == high else f"{low:,}\N{EN DASH}{high - 1:,}" for low, high in pairwise(lower)]
    group = np.maximum(np.searchsorted(lower, counts, side="right") - 1, 0)
    return Strata(title, (*labels, f"{lower[-1]:,}+"), group)
