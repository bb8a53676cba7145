"""When the shop sells what: demand per category over the year, and visits over the day and the year."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_rec.shop.words import DEPARTMENTS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_DAYS = 365
YEAR_MS = YEAR_DAYS * DAY_MS
START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z: the shop opens; day 0 of everything."""

_HOURS = np.array([2, 1, 0.6, 0.5, 0.5, 0.8, 2, 4, 6, 7.5, 8.5, 9, 10, 9.5, 8.5, 8, 7.5, 7, 7.5, 8.5, 9.5, 9, 7, 4])
_HIGH_SEASON_DAY, _HIGH_SEASON_WIDTH, _HIGH_SEASON_LIFT = 325, 45, 1.1  # Online Retail: November is 2.4x a spring month


def day_of(time_ms: float) -> float:
    """Return days since the shop opened."""
    return (time_ms - START_MS) / DAY_MS


def category_demand(n_categories: int, day: float) -> npt.NDArray[np.float64]:
    """Return each category's demand on a day, f = exp(s·exp(-½(Δ/w)²)), Δ = days to the nearest yearly peak.

    Returns
    -------
    float64[n_categories], 1 far from the season and exp(s) at its peak.
    """
    used = DEPARTMENTS[:n_categories]
    peak = np.array([d.peak_day for d in used], np.float64)
    away = np.abs((day % YEAR_DAYS) - peak)
    away = np.minimum(away, YEAR_DAYS - away) / np.array([d.width_days for d in used])
    return np.asarray(np.exp(np.array([d.season for d in used]) * np.exp(-0.5 * away**2)), dtype=np.float64)


class VisitClock:
    """Turns a count of expected visits into the time by which the shop expects them (an inhomogeneous Poisson clock).

    Visits come at λ(t) = visits_per_day · hour(t) · season(t), the year's mean being `visits_per_day`.
    """

    def __init__(self, visits_per_day: float) -> None:
        hour = np.arange(YEAR_DAYS * 24)
        away = np.abs(hour / 24 - _HIGH_SEASON_DAY)
        away = np.minimum(away, YEAR_DAYS - away) / _HIGH_SEASON_WIDTH
        rate = np.tile(_HOURS, YEAR_DAYS) * (1 + _HIGH_SEASON_LIFT * np.exp(-0.5 * away**2))
        self.visits_per_year = visits_per_day * YEAR_DAYS
        self._expected = np.concatenate([[0.0], np.cumsum(rate)]) * (self.visits_per_year / rate.sum())
        self._hours_ms = np.arange(YEAR_DAYS * 24 + 1) * float(HOUR_MS)

    def time_ms(self, visits: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the time at which `visits` visits are expected to have come, int64 of the same shape."""
        year = np.floor(visits / self.visits_per_year)
        within = np.interp(visits - year * self.visits_per_year, self._expected, self._hours_ms)
        return np.asarray(START_MS + year * YEAR_MS + within, dtype=np.int64)
