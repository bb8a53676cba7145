"""What every baseline promises, whatever paper it is from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from stream_rec.backtest.baselines.protocol import Baseline, Moment, Sizes
from stream_rec.backtest.baselines.registry import build_baselines
from stream_rec.backtest.log_rows import LogEvent
from stream_rec.backtest.stream import Moments, Stream
from stream_rec.core.presets import DAY_MS
from stream_rec.core.types import Int32Array

NAMES = [baseline.name for baseline in build_baselines(Sizes(1, 1, 1), "retail")]
NOTHING: Int32Array = np.empty(0, np.int32)
GROUP = 6


def checkerboard(rounds: int = 40) -> Stream:
    """Even users meet even items, odd users odd ones, in an order that turns: the answer is known by thought."""
    log = [
        LogEvent(0, step * DAY_MS // 10 + user, f"user {user}", f"item {(2 * step + user) % (2 * GROUP)}", "view_item")
        for step in range(rounds)
        for user in range(8)
    ]
    return Stream.of([event._replace(index=index) for index, event in enumerate(log)], session_gap_ms=DAY_MS)


def fresh(name: str, stream: Stream) -> Baseline:
    return next(one for one in build_baselines(stream.sizes(), "retail") if one.name == name)


def replayed(baseline: Baseline, stream: Stream, peeking: bool = False) -> Iterator[tuple[Moment, int]]:
    """Learn event after event; yield each one before it is learned."""
    moments = Moments(stream)
    for event, row in enumerate(stream.items.tolist()):
        moment = moments.before(event)
        yield moment, row
        if peeking:
            baseline.rank(moment, NOTHING, 3)
        baseline.learn(moment, row)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_names_are_theirs_alone_and_sources_are_given(name: str) -> None:
    assert NAMES.count(name) == 1
    assert any(year in fresh(name, checkerboard(1)).source for year in map(str, range(2009, 2026)))


def test_lists_hold_known_items_once_and_none_that_is_excluded(name: str) -> None:
    stream = checkerboard()
    baseline = fresh(name, stream)
    listed_ever = 0
    for moment, _ in replayed(baseline, stream):
        excluded = np.arange(0, moment.known, 3, dtype=np.int32)
        listed = baseline.rank(moment, np.concatenate((excluded, excluded)), 5)
        assert listed.dtype == np.int32
        assert len(listed) == len(set(listed.tolist())) <= 5
        assert all(row < moment.known and row % 3 for row in listed.tolist())
        listed_ever += len(listed)
    assert listed_ever


def test_before_the_first_event_nothing_is_listed(name: str) -> None:
    stream = checkerboard()
    assert not len(fresh(name, stream).rank(Moments(stream).before(0), NOTHING, 5))


def test_a_user_of_a_pattern_is_shown_its_items(name: str) -> None:
    if name == "popularity":
        pytest.skip("popularity shows everybody the same")
    stream = checkerboard()
    baseline = fresh(name, stream)
    right = shown = 0
    for moment, row in replayed(baseline, stream):
        if len(moment.rows) > 30:
            listed = baseline.rank(moment, NOTHING, 4)
            right += sum(int(one) % 2 == row % 2 for one in listed)
            shown += len(listed)
    assert shown
    assert right / shown > 0.9


def test_looking_changes_nothing(name: str) -> None:
    stream = checkerboard(10)
    looked, unlooked = fresh(name, stream), fresh(name, stream)
    for (moment, _), _ in zip(replayed(looked, stream, peeking=True), replayed(unlooked, stream), strict=True):
        assert looked.rank(moment, NOTHING, 20).tolist() == unlooked.rank(moment, NOTHING, 20).tolist()
        unlooked.rank(moment, NOTHING, 1)


def test_frozen_items_look_the_same_to_everybody_else(name: str) -> None:
    stream = checkerboard()
    baseline = fresh(name, stream)
    *_, (last, row) = replayed(baseline, stream)
    other = Moments(stream).before(len(stream) - 2)
    assert other.user != last.user
    before = baseline.rank(other, NOTHING, 20).tolist()
    for _ in range(50):
        baseline.learn(last, row, shared=False)
    assert baseline.rank(other, NOTHING, 20).tolist() == before
