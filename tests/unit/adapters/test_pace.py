"""When a replay's records are due."""

from __future__ import annotations

import pytest

from stream_rec.adapters.log_replay import Pace
from stream_rec.cli.replay import pace_of
from stream_rec.errors import ConfigError


def test_a_rate_spaces_records_evenly_whatever_the_log_says() -> None:
    assert [Pace(rate=50).due_s(sent, 0) for sent in (0, 1, 50)] == [0, 0.02, 1]


def test_a_speed_divides_the_log_s_own_time() -> None:
    assert Pace(speed=60).due_s(1000, 120_000) == 2


def test_without_either_everything_is_due_at_once() -> None:
    assert Pace().unbound
    assert Pace().due_s(1000, 120_000) == 0


@pytest.mark.parametrize("options", [(1.0, 1.0, False), (1.0, None, True), (0.0, None, False), (None, -1.0, False)])
def test_paces_that_make_no_sense(options: tuple[float | None, float | None, bool]) -> None:
    with pytest.raises(ConfigError):
        pace_of(*options)
