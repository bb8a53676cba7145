"""One step of each baseline that has no kernel, against its formula worked out in plain numbers."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from stream_rec.backtest.baselines.bpr import OnlineBpr
from stream_rec.backtest.baselines.eals import OnlineEals
from stream_rec.backtest.baselines.isgd import IncrementalSgd
from stream_rec.backtest.baselines.markov import MarkovChain
from stream_rec.backtest.baselines.popularity import DecayedPopularity
from stream_rec.backtest.baselines.protocol import Moment, Sizes
from stream_rec.core.types import Int32Array

NOTHING: Int32Array = np.empty(0, np.int32)
SIZES = Sizes(2, 4, 100)


def moment(*rows: int, now_ms: int = 0, known: int = 4) -> Moment:
    history = np.array(rows, np.int32)
    return Moment(0, history, np.ones_like(history), 1, now_ms, known)


def test_popularity_forgets() -> None:
    popularity = DecayedPopularity(SIZES, decay_ms=1000)
    for row, now_ms in ((1, 0), (1, 0), (2, 1000)):  # at 1000 item 1 is worth 2/e = .74
        popularity.learn(moment(now_ms=now_ms), row)
    assert popularity.rank(moment(), NOTHING, 4).tolist() == [2, 1]


@pytest.mark.parametrize("later_ms", [0, 1000 * 1000])
def test_popularity_and_transitions_survive_a_moved_landmark(later_ms: int) -> None:
    popularity, markov = DecayedPopularity(SIZES, decay_ms=1e4), MarkovChain(SIZES, decay_ms=1e4)
    for row, now_ms in ((1, 0), (1, 0), (2, 5), (3, later_ms), (3, later_ms), (3, later_ms)):
        popularity.learn(moment(now_ms=now_ms), row)
        markov.learn(moment(0, now_ms=now_ms), row)
    assert popularity.rank(moment(), NOTHING, 4).tolist() == [3, 1, 2]
    assert markov.rank(moment(0), NOTHING, 4).tolist() == [3, 1, 2]


def test_markov_follows_the_last_item_only() -> None:
    markov = MarkovChain(SIZES)
    markov.learn(moment(0, 1), 2)
    markov.learn(moment(1, 0), 3)
    assert markov.rank(moment(0, 1), NOTHING, 4).tolist() == [2]
    assert markov.rank(moment(1, 0), NOTHING, 4).tolist() == [3]


def test_isgd_steps_by_its_formula() -> None:
    isgd = IncrementalSgd(SIZES, factors=1, rate=0.1, regularisation=0.5)
    p, q = float(isgd._user[0, 0]), float(isgd._item[3, 0])
    isgd.learn(moment(), 3)
    error = 1 - p * q
    assert isgd._user[0, 0] == pytest.approx(p + 0.1 * (error * q - 0.5 * p), rel=1e-5)
    assert isgd._item[3, 0] == pytest.approx(q + 0.1 * (error * p - 0.5 * q), rel=1e-5)


def test_isgd_lists_what_is_nearest_to_one_not_what_is_largest() -> None:
    isgd = IncrementalSgd(SIZES, factors=1)
    isgd._user[0, 0] = 1.0
    isgd._item[:, 0] = (0.2, 3.0, 1.1, 0.8)
    assert isgd.rank(moment(), NOTHING, 4).tolist() == [2, 3, 0, 1]


def folded_in(rows: list[int], history: int) -> list[float]:
    """The user's factors after meeting item 11, with `rows` before it."""
    eals = OnlineEals(Sizes(2, 12, 100), factors=2, history=history)
    eals._item[:] = np.random.default_rng(1).normal(size=eals._item.shape)
    eals.learn(moment(*rows, known=12), 11, shared=False)
    factors: list[float] = eals._user[0].tolist()
    return factors


@pytest.mark.parametrize("events", [1, 2, 3, 4, 5, 9])
def test_eals_folds_a_user_in_from_the_last_items_however_many_there_are(events: int) -> None:
    rows, earlier = list(range(events)), 3  # four items make the user, the new one among them
    oldest_that_counts = max(0, events - earlier)
    assert folded_in(rows, history=4) == folded_in(rows[oldest_that_counts:], history=4)
    assert folded_in(rows, history=4) != folded_in(rows[oldest_that_counts + 1 :], history=4)


def test_bpr_steps_by_its_formula() -> None:
    bpr = OnlineBpr(SIZES, factors=1, rate=0.1, regularisation=0.5, negatives=1)
    p, q, other = float(bpr._user[0, 0]), float(bpr._item[1, 0]), float(bpr._item[0, 0])
    bpr.learn(moment(known=1), 1)  # one item known, so it is the one drawn
    slope = 1 / (1 + exp(p * (q - other)))
    assert bpr._user[0, 0] == pytest.approx(p + 0.1 * (slope * (q - other) - 0.5 * p), rel=1e-5)
    assert bpr._item[1, 0] == pytest.approx(q + 0.1 * (slope * p - 0.5 * q), rel=1e-5)
    assert bpr._item[0, 0] == pytest.approx(other - 0.1 * (slope * p + 0.5 * other), rel=1e-5)
    assert (bpr._bias[1], bpr._bias[0]) == (pytest.approx(0.1 * slope), pytest.approx(-0.1 * slope))


def test_bpr_passes_over_the_item_itself() -> None:
    bpr = OnlineBpr(SIZES, factors=1)
    before = bpr._item.copy()
    bpr.learn(moment(0, known=1), 0)
    assert (bpr._bias == 0.0).all()
    assert np.abs(bpr._item - before).max() < 1e-4  # nothing but the regularisation
