"""The user state in memory: what it remembers and what it forgets."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.state.user import EVENT_IDS, UserState


def test_a_fresh_user_has_nothing() -> None:
    state = UserState("anna", 100)
    assert (state.offsets, state.n_total, state.session, state.stored_deadline_ms) == ([-1, -1], 0, 0, 0)
    assert len(state.rows_view()) == len(state.sessions_view()) == 0
    assert state.list_rank(5) == -1
    assert not state.has_event(0)


@pytest.mark.parametrize("keep", [1, 10, 32, 100])
def test_the_history_shows_the_newest_lines_oldest_first(keep: int) -> None:
    state = UserState("anna", keep)
    for n in range(300):
        state.append(10_000 + n, n, 1_000 * n, n // 7, 1 + n % 10)
        shown = range(max(0, n + 1 - keep), n + 1)
        assert state.rows_view().tolist() == list(shown)
        assert state.sessions_view().tolist() == [i // 7 for i in shown]
        assert state.history.kinds().tolist() == [1 + i % 10 for i in shown]
        assert state.history.times_view().tolist() == [1_000 * i for i in shown]
        assert state.history.hashes_view().tolist() == [10_000 + i for i in shown]
    assert state.n_total == 300


def test_views_are_slices_not_copies() -> None:
    state = UserState("anna", 100)
    state.append(1, 1, 1, 1, 1)
    assert state.rows_view().base is not None
    assert state.rows_view().dtype == state.sessions_view().dtype == np.int32


@pytest.mark.parametrize(("time_ms", "kind"), [(-1, 1), (1 << 48, 1), (5, 0), (5, 16)])
def test_a_line_that_cannot_be_stored_is_refused(time_ms: int, kind: int) -> None:
    state = UserState("anna", 100)
    with pytest.raises(ValueError, match="history line: need"):
        state.append(1, 1, time_ms, 1, kind)
    assert state.n_total == 0


def test_the_last_32_event_ids_are_remembered() -> None:
    state = UserState("anna", 100)
    for event_hash in range(EVENT_IDS + 5):
        state.remember_event(event_hash)
        state.remember_event(event_hash)
    assert list(state.event_ids) == list(range(5, EVENT_IDS + 5))
    assert state.has_event(5)
    assert not state.has_event(4)


def test_the_published_list_is_cut_to_20_and_ranks_from_0() -> None:
    state = UserState("anna", 100)
    state.publish(np.arange(2**63, 2**63 + 30, dtype=np.uint64), 5)
    assert [state.list_rank(2**63 + i) for i in (0, 19, 20)] == [0, 19, -1]
    assert state.list_published_ms == 5
