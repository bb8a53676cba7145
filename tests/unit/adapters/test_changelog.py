"""Contiguity: the log itself tells of a second writer."""

from __future__ import annotations

import pytest

from stream_rec.adapters.changelog import Contiguity, Written
from stream_rec.errors import FencedError


def owned_from(offset: int) -> Contiguity:
    contiguity = Contiguity()
    contiguity.start("user-state", 2, offset)
    return contiguity


def test_batches_that_follow_each_other_move_the_next_offset() -> None:
    contiguity = owned_from(10)
    contiguity.check([Written("user-state", 2, 13, 2), Written("user-state", 2, 10, 3)])
    assert contiguity.next_offset("user-state", 2) == 15


@pytest.mark.parametrize("base_offset", [9, 11])
def test_any_other_offset_means_another_writer(base_offset: int) -> None:
    with pytest.raises(FencedError, match=f"need offset 10 .* got {base_offset}"):
        owned_from(10).check([Written("user-state", 2, base_offset, 1)])


def test_a_hole_inside_one_round_is_another_writer_too() -> None:
    with pytest.raises(FencedError, match="got 14"):
        owned_from(10).check([Written("user-state", 2, 10, 3), Written("user-state", 2, 14, 1)])


def test_logs_that_anybody_may_write_are_not_looked_at() -> None:
    owned_from(10).check([Written("recommendations", 2, 99, 1), Written("user-state", 1, 7, 1)])
