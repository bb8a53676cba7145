"""Drift: says when the lists' hit rate, or the stream they are made from, is no longer what it was (river's detectors).

ADWIN sees every look at a served list, hit or not. Page-Hinkley sees means over some lines of what the lines are
like; its tolerance and its threshold are a quarter of and twenty times the standard deviation of those means, all the
means since the start: what changes every day widens it, and then is no drift any more.

References
----------
Bifet, Gavaldà (2007), "Learning from time-changing data with adaptive windowing", SDM.
https://doi.org/10.1137/1.9781611972771.42
Page (1954), "Continuous inspection schemes", Biometrika 41. https://doi.org/10.1093/biomet/41.1-2.100
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stream_rec.adapters.metrics import Metrics
from stream_rec.core.rounds import RoundStats

if TYPE_CHECKING:
    from river.drift import PageHinkley

BURN_IN = 30
"""Means a standard deviation needs."""

TOLERANCE, THRESHOLD = 0.25, 20.0
RECENT = 10
"""Means that a change's `after` is the mean of."""

SMALLEST_DEVIATION = 1e-3

log = logging.getLogger(__name__)


class Change(NamedTuple):
    """A detected change of a signal's mean."""

    before: float
    after: float


class Detector(Protocol):
    """What watches one signal: `name` as the metric's label says it, and the mean since the last change."""

    name: str
    mean: float

    def add(self, total: float, n: int) -> Change | None:
        """Take in a round's sum over `n` of the signal's cases; return the last change in it, if there is one."""
        ...


class DriftWatch:
    """Feeds the detectors round by round; a change becomes a count, a line of the log, and a new mean.

    Parameters
    ----------
    metrics
        Gets `drifts` and `signal_mean`.
    lines
        Lines a mean is made of at least; 0 switches everything off.

    Notes
    -----
    0.3 µs a look. The first round that has looks imports river, unless `import_early` has: a worker waits for that
    before it joins its group.
    """

    def __init__(self, metrics: Metrics, lines: int) -> None:
        self._metrics = metrics
        self._lines = lines
        self._detectors: dict[str, Detector] = {}

    def round_done(self, stats: RoundStats) -> None:
        """Take in one round whose effects are durable."""
        if not self._lines:
            return
        for signal, (total, n) in signals_of(stats).items():
            if not n:
                continue
            detector = self._detectors.get(signal)
            if detector is None:
                detector = HitRate() if signal == "hit_rate" else Level(self._lines)
                self._detectors[signal] = detector
                self._metrics.add("drifts", 0, detector=detector.name, signal=signal)  # so that a first one is seen
            change = detector.add(total, n)
            self._metrics.put("signal_mean", detector.mean, signal=signal)
            if change is not None:
                self._metrics.add("drifts", detector=detector.name, signal=signal)
                fields = {
                    "detector": detector.name,
                    "signal": signal,
                    "before": f"{change.before:.4f}",
                    "after": f"{change.after:.4f}",
                }
                log.warning("the stream has changed", extra={"fields": fields})


def signals_of(stats: RoundStats) -> dict[str, tuple[float, int]]:
    """Return what is watched: signal -> its sum over so many cases of the round.

    Examples
    --------
    >>> signals_of(RoundStats(looks=4, hits=1, lines=2, repeats=1, new_items=1, popularity=-3.0))["popularity"]
    (-3.0, 1)
    """
    return {
        "hit_rate": (stats.hits, stats.looks),
        "popularity": (stats.popularity, stats.lines - stats.new_items),
        "session_starts": (stats.session_starts, stats.lines),
        "repeats": (stats.repeats, stats.lines),
        "new_items": (stats.new_items, stats.lines),
    }


def import_early() -> threading.Thread:
    """Begin to import river, which takes a second and 60 MB (it brings scipy), in a thread of its own.

    The thread is no daemon: an interpreter that ends in the midst of importing compiled modules may crash.
    """
    thread = threading.Thread(target=_import, name="import-river")
    thread.start()
    return thread


def _import() -> None:
    import river.drift  # noqa: F401


class HitRate:
    """ADWIN over looks, each a hit or none."""

    name = "adwin"

    def __init__(self) -> None:
        from river.drift import ADWIN

        self._adwin = ADWIN()
        self.mean = 0.0

    def add(self, total: float, n: int) -> Change | None:
        """Take in a round's hits among its looks, spread evenly: their order within a round is not known."""
        change, hits = None, round(total)
        for look in range(n):
            self._adwin.update((look + 1) * hits // n - look * hits // n)
            if self._adwin.drift_detected:
                change = Change(self.mean, self._adwin.estimation)
            self.mean = self._adwin.estimation
        return change


class Level:
    """Page-Hinkley over means of at least `lines` lines."""

    name = "page_hinkley"

    def __init__(self, lines: int) -> None:
        from river.stats import Mean, Var

        self._lines = lines
        self._total, self._n = 0.0, 0
        self._ever = Var()
        self._run = Mean()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._test: PageHinkley | None = None
        self.mean = 0.0

    def add(self, total: float, n: int) -> Change | None:
        """Take in a round's sum over `n` lines."""
        self._total += total
        self._n += n
        self.mean = self._total / self._n if self._run.n == 0 else self.mean
        if self._n < self._lines:
            return None
        value = self._total / self._n
        self._total, self._n = 0.0, 0
        return self._take(value)

    def _take(self, value: float) -> Change | None:
        before = self.mean
        self._ever.update(value)
        self._run.update(value)
        self._recent.append(value)
        self.mean = self._run.get()
        if self._test is None:
            if self._run.n >= BURN_IN:
                self._test = self._new_test()
            return None
        self._test.update(value)
        if not self._test.drift_detected:
            return None
        self._test = self._new_test()
        self._run = type(self._run)()
        for recent in self._recent:
            self._run.update(recent)
        self.mean = self._run.get()
        return Change(before, self.mean)

    def _new_test(self) -> PageHinkley:
        from river.drift import PageHinkley

        deviation = max(self._ever.get() ** 0.5, SMALLEST_DEVIATION)
        return PageHinkley(min_instances=BURN_IN, delta=TOLERANCE * deviation, threshold=THRESHOLD * deviation)
