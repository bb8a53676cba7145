"""Baselines over a stream: test, then learn; or learn, freeze, then test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np
import numpy.typing as npt

from stream_rec.backtest.baselines.protocol import Baseline, Moment
from stream_rec.backtest.progress import Progress
from stream_rec.backtest.stream import Moments, Stream
from stream_rec.core.types import LIST_SIZE, NO_ROWS, Int32Array

NOT_SCORED = -1

Places = npt.NDArray[np.int8]
"""int8[n]: 1-based place of each event's item in the list made before it, 0 = not listed, `NOT_SCORED`."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which events are scored, and what lists leave out.

    `exclude`: "nothing"; "session" leaves out the items the session already has, and scores them as the misses they
    then are; "had" leaves out every item of the user's, and an event that repeats one is not scored; "current" leaves
    out the user's last item. From event `frozen_from` of the stream on, items no longer learn, and
    only events that continue a session are scored; before it none is.
    """

    exclude: str = "nothing"
    frozen_from: int | None = None

    def excluded(self, moment: Moment) -> Int32Array:
        """Return the rows to leave out."""
        if self.exclude == "nothing":
            return NO_ROWS
        if self.exclude == "session":
            return moment.rows[np.searchsorted(moment.sessions, moment.session) :]
        return moment.rows if self.exclude == "had" else moment.rows[-1:]

    def scores(self, event: int, moment: Moment, row: int) -> bool:
        """Whether the event is scored."""
        if not len(moment.rows):
            return False
        if self.frozen_from is not None:
            return event >= self.frozen_from and int(moment.sessions[-1]) == moment.session
        return self.exclude != "had" or not (moment.rows == row).any()


@dataclass(frozen=True, slots=True)
class Walked:
    """One method's places, in stream order, and the CPU seconds it took to rank and learn."""

    name: str
    places: Places
    seconds: float


def walk(
    stream: Stream,
    baselines: Sequence[Baseline],
    protocol: Protocol,
    progress: Progress,
    only: npt.NDArray[np.bool_] | None = None,
) -> list[Walked]:
    """Run every baseline over the stream, side by side.

    Parameters
    ----------
    baselines
        Fresh ones; changed.
    progress
        Wraps the event numbers to show how far the walk is.
    only
        bool[n]: score none but these events; all are learned from.
    """
    moments = Moments(stream)
    items = stream.items.tolist()
    places = np.full((len(baselines), len(stream)), NOT_SCORED, np.int8)
    seconds = [0.0] * len(baselines)
    for event in progress(range(len(stream))):
        moment, row = moments.before(event), items[event]
        scored = (only is None or bool(only[event])) and protocol.scores(event, moment, row)
        excluded = protocol.excluded(moment)
        shared = protocol.frozen_from is None or event < protocol.frozen_from
        for which, baseline in enumerate(baselines):
            started = process_time()
            listed = baseline.rank(moment, excluded, LIST_SIZE) if scored else None
            baseline.learn(moment, row, shared=shared)
            seconds[which] += process_time() - started
            if listed is not None:
                found = np.flatnonzero(listed == row)
                places[which, event] = found[0] + 1 if len(found) else 0
    return [Walked(b.name, p, s) for b, p, s in zip(baselines, places, seconds, strict=True)]
