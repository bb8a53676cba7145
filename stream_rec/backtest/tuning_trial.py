"""One trial of tuning: a stretch of a log through the planes, and how much better one preset did there than another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from stream_rec.backtest.log_rows import LogEvent
from stream_rec.backtest.records import LogRecord
from stream_rec.backtest.replay import Backtest, BacktestSettings
from stream_rec.backtest.walk import NOT_SCORED, Places
from stream_rec.core.looks import FreshLook, ServedLook, place_of
from stream_rec.core.presets import Preset
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float64Array, Int32Array

SETTINGS = BacktestSettings(batch=32, fresh_every=4, cascade=False)
"""Quick, and near what serves: a worker, too, looks at every fourth event. The forest needs days of lists."""

Evaluate = Callable[[Sequence[LogEvent], Preset], Float64Array]
"""Stretch, preset -> float64[events of the stretch], NaN where an event is not scored."""


class LearnedPlaces:
    """Notes the place of every event's item in the linear ranker's list: it serves only after thousands of events.

    Attributes
    ----------
    places
        int8[events], 1-based, 0 = not listed, `NOT_SCORED` where nothing was looked at.
    """

    def __init__(self, events: int) -> None:
        self.places: Places = np.full(events, NOT_SCORED, np.int8)

    def served(self, look: ServedLook) -> None:
        """What was published is not scored."""

    def fresh(self, look: FreshLook) -> None:
        """Note the place."""
        assert isinstance(look.record, LogRecord)
        self.places[look.record.event_index] = place_of(look.item_row, look.orders.linear.tolist())


class Gain(NamedTuple):
    """A mean difference of scores, and its standard error."""

    mean: float
    error: float


def first_half(events: Sequence[LogEvent]) -> list[LogEvent]:
    """Return the first half of a log; the last one is for the backtest that reports."""
    return list(events[: len(events) // 2])


def last_of(events: Sequence[LogEvent], most: int) -> list[LogEvent]:
    """Return the last `most` events, numbered anew."""
    return [event._replace(index=index) for index, event in enumerate(events[-most:])]


def evaluate(events: Sequence[LogEvent], preset: Preset) -> Float64Array:
    """Return the scores of the last half of the stretch; everything before is only learned from.

    Notes
    -----
    About 0.4 ms an event and preset (Serenade, a busy 2-core machine). Deterministic.
    """
    learned = LearnedPlaces(len(events))
    Backtest(SETTINGS, preset, ItemTable(preset), learned).run(events, lambda *_: None)
    learned.places[: len(events) // 2] = NOT_SCORED
    return scores(learned.places)


def scores(places: Places) -> Float64Array:
    """Return an event's part of HR@20 + MRR@20: 1 + 1 / place if it was listed, else 0; NaN where it is not scored.

    Examples
    --------
    >>> scores(np.array([1, 4, 0, NOT_SCORED], np.int8))
    array([2. , 1.25, 0. , nan])
    """
    listed = places > 0
    values = np.where(listed, 1.0 + 1.0 / np.where(listed, places, 1), 0.0)
    return np.where(places == NOT_SCORED, np.nan, values)


def users_of(events: Sequence[LogEvent]) -> Int32Array:
    """Return int32[events], users numbered by first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(event.user_id, len(numbers)) for event in events], np.int32)


def gain(new: Float64Array, old: Float64Array, users: Int32Array) -> Gain:
    """Return the mean of new - old over the events both score, with the standard error of its users.

    With d_u the sum of user u's differences, n_u their number and m the mean of all n::

        error = √ Σ_u (d_u − n_u m)² / n

    Events of one user rise and fall together; counted one by one they would make the error several times too small.

    Parameters
    ----------
    new, old
        float64[events], NaN where not scored.
    users
        int32[events], whose event it is.

    References
    ----------
    Liang, Zeger: Longitudinal data analysis using generalized linear models (1986),
    https://doi.org/10.1093/biomet/73.1.13 (the variance of clustered observations).

    Examples
    --------
    >>> gain(np.array([1.0, 1.0, 0.0, 0.0]), np.zeros(4), np.array([0, 0, 1, 1], np.int32))
    Gain(mean=0.5, error=0.3536)
    """
    both = ~np.isnan(new) & ~np.isnan(old)
    n = int(both.sum())
    if not n:
        return Gain(0.0, 0.0)
    difference, user = (new - old)[both], users[both]
    mean = float(difference.mean())
    spread = np.bincount(user, difference) - np.bincount(user) * mean
    return Gain(mean, float(np.sqrt((spread**2).sum()) / n))
