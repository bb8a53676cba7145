"""Prequential metrics: each event's item is looked up in a list made before the event was learned."""

from __future__ import annotations

from math import log2, sqrt

from stream_rec.core.types import LIST_SIZE


def wilson_interval(hits: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """Return the interval of a share of n independent trials, 95 % at the usual z; all of [0, 1] where n is 0.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA.
    https://doi.org/10.1080/01621459.1927.10502953

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(5, 10)]
    [0.237, 0.763]
    >>> wilson_interval(0, 1)[0]
    0.0
    """
    if n <= 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / n + spread / 4 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


class RankMetrics:
    """Running HR@10, HR@20, MRR@20 and NDCG@10 over places of the one relevant item.

    References
    ----------
    Gama, Sebastião, Rodrigues: On evaluating stream learning algorithms (2013),
    https://doi.org/10.1007/s10994-012-5320-9 (prequential evaluation).

    Examples
    --------
    >>> metrics = RankMetrics()
    >>> for place in (1, 20, 0, 0):
    ...     metrics.add(place)
    >>> metrics.as_dict()
    {'n': 4, 'hr@10': 0.25, 'hr@20': 0.5, 'mrr@20': 0.2625, 'ndcg@10': 0.25}
    """

    __slots__ = ("gain_10", "hits_10", "hits_20", "n", "reciprocal_20")

    def __init__(self) -> None:
        self.n = self.hits_10 = self.hits_20 = 0
        self.reciprocal_20 = self.gain_10 = 0.0

    def add(self, place: int) -> None:
        """Add one scored event; `place` is 1-based, 0 = not listed."""
        self.n += 1
        if 0 < place <= 10:
            self.hits_10 += 1
            self.gain_10 += 1 / log2(1 + place)
        if 0 < place <= LIST_SIZE:
            self.hits_20 += 1
            self.reciprocal_20 += 1 / place

    def as_dict(self) -> dict[str, float]:
        """Return the averages (0 when nothing was scored)."""
        n = max(1, self.n)
        return {
            "n": self.n,
            "hr@10": self.hits_10 / n,
            "hr@20": self.hits_20 / n,
            "mrr@20": self.reciprocal_20 / n,
            "ndcg@10": self.gain_10 / n,
        }


class HalvedMetrics:
    """The same metrics over the whole stream and over its last half (event index >= n // 2)."""

    __slots__ = ("_half", "last_half", "whole")

    def __init__(self, events: int) -> None:
        self._half = events // 2
        self.last_half = RankMetrics()
        self.whole = RankMetrics()

    def add(self, event_index: int, place: int) -> None:
        """Add the place of event `event_index`'s item."""
        self.whole.add(place)
        if event_index >= self._half:
            self.last_half.add(place)

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Return `{"last_half": …, "whole": …}`."""
        return {"last_half": self.last_half.as_dict(), "whole": self.whole.as_dict()}
