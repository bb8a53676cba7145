"""Forward decay for a baseline that keeps plain sums: `core/decay.py` with a landmark that moves by itself."""

from __future__ import annotations

from stream_rec.core import decay


class Fading:
    """The landmark of one decaying sum.

    Examples
    --------
    >>> fading = Fading(1000.0)
    >>> fading.step(0), fading.step(1000) == (1.0, 2.718281828459045)
    ((1.0, 1.0), True)
    """

    def __init__(self, decay_ms: float) -> None:
        self._decay_ms = decay_ms
        self._epoch: int | None = None

    def step(self, now_ms: int) -> tuple[float, float]:
        """Return (what everything stored has to be multiplied by first, what a contribution made now weighs)."""
        newest = decay.epoch_of(now_ms, self._decay_ms)
        before = newest if self._epoch is None else self._epoch
        self._epoch = max(before, newest)
        return decay.rebase_factor(before, self._epoch), decay.weight(now_ms, self._epoch, self._decay_ms)
