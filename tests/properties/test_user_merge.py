"""A restore finds the right record of each key, whatever a zombie wrote behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_codec import encode_head, puts_of
from stream_rec.core.state.user_merge import Merged, merge
from stream_rec.errors import CorruptStateError

STAMPS = st.tuples(st.integers(1, 3), st.integers(-1, 4), st.integers(-1, 4))


def head(generation: int, clicks: int, purchases: int, session: int = 0) -> bytes:
    state = UserState("u", 100)
    state.generation, state.offsets, state.session = generation, [clicks, purchases], session
    return encode_head(state)


def chunk(generation: int, clicks: int) -> bytes:
    state = UserState("u", 100)
    state.generation, state.offsets = generation, [clicks, -1]
    for i in range(32):
        state.append(clicks + i, 0, 0, 0, 1)
    value = puts_of(state)[0].value
    assert value is not None
    return value


def test_more_events_win_whatever_the_generation() -> None:
    assert merge(head(7, 5, 5), head(6, 6, 5), b"hu") == Merged(head(6, 6, 5), False)
    assert merge(head(6, 6, 5), head(7, 5, 5), b"hu") == Merged(head(6, 6, 5), True)


def test_a_fork_is_decided_by_generation() -> None:
    assert merge(head(6, 10, 5), head(7, 8, 7), b"hu") == Merged(head(7, 8, 7), False)
    assert merge(head(7, 8, 7), head(6, 10, 5), b"hu") == Merged(head(7, 8, 7), True)


def test_the_same_events_written_again_by_the_owner_win_by_a_zombie_lose() -> None:
    swept = head(7, 5, 5, session=2)
    assert merge(head(7, 5, 5), swept, b"hu") == Merged(swept, False)
    assert merge(swept, head(6, 5, 5), b"hu") == Merged(swept, True)


def test_a_repaired_log_needs_no_further_repair() -> None:
    winner = head(7, 5, 5)
    assert merge(winner, head(6, 4, 5), b"hu") == Merged(winner, True)
    assert merge(winner, winner, b"hu") == Merged(winner, False)


def test_a_chunk_of_the_higher_generation_wins() -> None:
    assert merge(chunk(7, 40), chunk(6, 44), b"c") == Merged(chunk(7, 40), True)
    assert merge(chunk(6, 44), chunk(7, 40), b"c") == Merged(chunk(7, 40), False)
    assert merge(chunk(7, 40), chunk(7, 44), b"c") == Merged(chunk(7, 44), False)


def test_a_delete_beats_what_is_before_it_only() -> None:
    assert merge(head(9, 9, 9), None, b"hu") == Merged(None, False)
    assert merge(None, head(1, 0, 0), b"hu") == Merged(head(1, 0, 0), False)
    assert merge(None, None, b"hu") == Merged(None, False)


def test_a_record_that_does_not_decode_stops_the_restore() -> None:
    with pytest.raises(CorruptStateError, match="changelog record b'hu'"):
        merge(head(1, 1, 1), b"\1h garbage", b"hu")


@given(st.lists(STAMPS, min_size=1, max_size=6))
def test_a_winner_includes_no_fewer_events_than_any_it_dominates_and_a_second_pass_changes_nothing(
    log: list[tuple[int, int, int]],
) -> None:
    records = [head(*stamp) for stamp in log]
    winner: bytes | None = None
    for record in records:
        winner, repair = merge(winner, record, b"hu")
    assert repair == (winner != records[-1])
    generation, clicks, purchases = log[records.index(winner)] if winner else (0, 0, 0)
    for other_generation, other_clicks, other_purchases in log[-1:]:
        ahead = other_clicks >= clicks and other_purchases >= purchases
        assert not (ahead and (other_clicks, other_purchases) != (clicks, purchases))
        assert not (ahead and other_generation > generation)
    assert merge(winner, winner, b"hu") == Merged(winner, False)
