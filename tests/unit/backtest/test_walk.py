"""Which events a walk scores, what it may list there, and what it knows at each event."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.backtest.baselines.protocol import Moment
from stream_rec.backtest.log_rows import LogEvent
from stream_rec.backtest.stream import Moments, Stream
from stream_rec.backtest.walk import NOT_SCORED, Protocol, walk
from stream_rec.core.types import Int32Array

GAP_MS = 100


def stream_of(*events: str) -> Stream:
    """Events as "user item time", or "user item time kind"."""
    log = []
    for index, event in enumerate(events):
        user, item, time, *kind = event.split()
        log.append(LogEvent(index, int(time), user, item, kind[0] if kind else "view_item"))
    return Stream.of(log, GAP_MS)


class Recorder:
    """Lists every item it may, the newest first, and remembers what it was told."""

    name = "recorder"
    source = "none"

    def __init__(self) -> None:
        self.lists: list[list[int]] = []
        self.learned: list[tuple[int, bool]] = []

    def rank(self, moment: Moment, excluded: Int32Array, k: int) -> Int32Array:
        rows = [row for row in range(moment.known - 1, -1, -1) if row not in excluded]
        self.lists.append(rows)
        return np.array(rows[:k], np.int32)

    def learn(self, moment: Moment, row: int, *, shared: bool = True) -> None:
        self.learned.append((row, shared))


def walked(stream: Stream, protocol: Protocol) -> tuple[list[int], Recorder]:
    recorder = Recorder()
    (result,) = walk(stream, [recorder], protocol, lambda values: values)
    return result.places.tolist(), recorder


def test_a_users_first_event_is_learned_and_not_scored_and_a_new_item_is_a_miss() -> None:
    places, recorder = walked(stream_of("ann A 0", "bob B 1", "ann C 2", "ann A 3"), Protocol())
    assert places == [NOT_SCORED, NOT_SCORED, 0, 3]
    assert recorder.lists == [[1, 0], [2, 1, 0]]
    assert recorder.learned == [(0, True), (1, True), (2, True), (0, True)]


def test_what_is_not_to_be_scored_is_learned_all_the_same() -> None:
    recorder, stream = Recorder(), stream_of("ann A 0", "ann B 1", "ann A 2")
    only = np.array([True, False, True])
    (result,) = walk(stream, [recorder], Protocol(), lambda values: values, only)
    assert result.places.tolist() == [NOT_SCORED, NOT_SCORED, 2]
    assert [row for row, _ in recorder.learned] == [0, 1, 0]


def test_repeats_excluded() -> None:
    places, recorder = walked(stream_of("ann A 0", "bob B 1", "ann A 2", "ann B 3"), Protocol("had"))
    assert places == [NOT_SCORED, NOT_SCORED, NOT_SCORED, 1]
    assert recorder.lists == [[1]]


def test_the_sessions_items_excluded_are_misses_when_they_come_back() -> None:
    stream = stream_of("ann A 0", "ann B 1", "ann A 2", "ann A 500")
    places, recorder = walked(stream, Protocol("session"))
    assert places == [NOT_SCORED, 0, 0, 2]
    assert recorder.lists == [[], [], [1, 0]]


def test_frozen_items_are_predicted_within_test_sessions_only() -> None:
    stream = stream_of("ann A 0", "ann B 1", "ann B 500", "ann A 501", "bob A 502", "bob B 503")
    places, recorder = walked(stream, Protocol("current", frozen_from=2))
    assert places == [NOT_SCORED, NOT_SCORED, NOT_SCORED, 1, NOT_SCORED, 1]
    assert recorder.lists == [[0], [1]]
    assert [shared for _, shared in recorder.learned] == [True, True, False, False, False, False]


def test_a_moment_is_what_had_happened_until_then() -> None:
    stream = stream_of("ann A 0", "bob B 5", "ann B 10", "bob C 300", "ann C 400", "ann A 401")
    moments = Moments(stream)
    for event in range(len(stream)):
        before, user = slice(0, event), stream.users[event]
        own = stream.users[before] == user
        moment = moments.before(event)
        assert moment.user == user
        assert moment.rows.tolist() == stream.items[before][own].tolist()
        assert moment.sessions.tolist() == stream.sessions[before][own].tolist()
        assert moment.known == len(set(stream.items[before].tolist()))
        assert (moment.session, moment.now_ms) == (stream.sessions[event], stream.times_ms[event])


def test_only_positive_events_are_in_a_stream_but_every_event_keeps_a_session_alive() -> None:
    stream = stream_of("ann A 0", "ann B 80 hide", "ann C 160", "ann D 900")
    assert stream.log_index.tolist() == [0, 2, 3]
    assert stream.sessions.tolist() == [1, 1, 2]


def test_an_empty_log_is_an_empty_stream() -> None:
    assert walked(stream_of(), Protocol())[0] == []


@pytest.mark.parametrize("ids", [("s1", "s1", "s2"), ("s1", None, "s2")])
def test_a_shops_session_ids_win_over_pauses(ids: tuple[str | None, ...]) -> None:
    log = [LogEvent(n, 50 * n, "ann", "A", "view_item", session_id=key) for n, key in enumerate(ids)]
    assert Stream.of(log, GAP_MS).sessions.tolist() == [1, 1, 2]
