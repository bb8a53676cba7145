"""Marks: what a user turned down, for how long, and which lines it silences."""

from __future__ import annotations

import pytest

from stream_rec.core.state.history import History
from stream_rec.core.state.marks import HIDDEN, MARKED_ITEMS, NEAR_HIDDEN, REFUNDED, REMOVED, Mark, Marks
from stream_rec.core.types import EventKind


def marked(*marks: tuple[int, int, int]) -> Marks:
    """(item, flag, session) of each event, in order."""
    made = Marks()
    for item, flag, session in marks:
        made.add(item, flag, session)
    return made


@pytest.mark.parametrize(
    ("flag", "in_session", "later", "after_a_view"),
    [(HIDDEN, True, True, True), (REMOVED, True, False, False), (REFUNDED, True, True, False)],
)
def test_how_long_an_item_is_kept_out(flag: int, in_session: bool, later: bool, after_a_view: bool) -> None:
    marks = marked((7, flag, 3))
    assert (marks.kept_out(3) == [7], marks.kept_out(4) == [7]) == (in_session, later)
    marks.take_back(7)
    assert (marks.kept_out(3) == [7]) == after_a_view


def test_a_view_leaves_the_hiding_of_what_was_sent_back_too() -> None:
    marks = marked((7, REFUNDED, 3), (7, HIDDEN, 3))
    marks.take_back(7)
    assert list(marks) == [(7, Mark(HIDDEN, 3))]


def test_a_removal_of_an_earlier_session_is_not_brought_back_by_another_mark() -> None:
    marks = marked((7, REMOVED, 3), (7, REFUNDED, 4))
    assert list(marks) == [(7, Mark(REFUNDED, 4))]


def test_what_can_be_taken_back_is_forgotten_first_then_the_oldest() -> None:
    marks = marked(*((item, HIDDEN, 1) for item in range(MARKED_ITEMS - 1)), (500, REMOVED, 1), (0, HIDDEN, 2))
    assert len(marks) == MARKED_ITEMS
    marks.add(1_000, HIDDEN, 2)
    assert [item for item, _ in marks] == [*range(1, MARKED_ITEMS - 1), 0, 1_000]
    marks.add(1_001, HIDDEN, 2)
    assert [item for item, _ in marks] == [*range(2, MARKED_ITEMS - 1), 0, 1_000, 1_001]


def test_only_what_changes_is_written_again() -> None:
    marks = marked((7, HIDDEN, 1))
    assert marks.changed
    marks.changed = False
    marks.take_back(7)
    marks.take_back(8)
    assert not marks.changed


def test_the_last_hidden_items_are_named_newest_last() -> None:
    marks = marked(*((item, HIDDEN, item) for item in range(10)), (50, REFUNDED, 1), (3, HIDDEN, 20))
    assert marks.hidden() == [*((item, item) for item in range(10 - NEAR_HIDDEN + 1, 10)), (3, 20)]


def test_which_lines_speak() -> None:
    history = History(100)
    kinds = [EventKind.VIEW_ITEM, EventKind.PURCHASE, EventKind.VIEW_ITEM, EventKind.ADD_TO_CART]
    for time_ms, (item, kind) in enumerate(zip([7, 7, 8, 8], kinds, strict=True)):
        history.append(item, 0, time_ms, 3, kind)
    assert marked((7, REFUNDED, 3)).speaking(history, 4).tolist() == [True, False, True, True]
    assert marked((8, REMOVED, 3)).speaking(history, 3).tolist() == [True, True, False, False]
    assert marked((8, REMOVED, 3)).speaking(history, 4).all()
    assert marked((8, HIDDEN, 3)).speaking(history, 4).tolist() == [True, True, False, False]
