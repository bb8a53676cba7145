"""The lease, on a clock we turn ourselves."""

from __future__ import annotations

import pytest

from stream_rec.adapters.lease import Lease
from stream_rec.errors import FencedError


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_worker_that_ticks_may_write() -> None:
    clock, stopped = Clock(), list[str]()
    lease = Lease(10.0, stop=stopped.append, clock=clock)
    for _ in range(20):
        clock.now_s += 5.9
        lease.check()
        lease.tick()
    assert stopped == []


def test_a_worker_frozen_for_most_of_its_session_may_not_write_and_stops() -> None:
    clock, stopped = Clock(), list[str]()
    lease = Lease(10.0, stop=stopped.append, clock=clock)
    clock.now_s += 6.1
    with pytest.raises(FencedError, match="need a tick"):
        lease.check()
    lease.tick()
    assert stopped == ["stalled for 6.1 s, the lease is 6.0 s"]
