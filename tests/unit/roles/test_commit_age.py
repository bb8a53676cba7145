"""How long acknowledged offsets have waited for a commit: what the watchdog stops a worker for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from stream_rec.roles.edge import FaustSource


class Clock:
    """A source over a pretended consumer, asked at chosen times of the loop's clock."""

    def __init__(self) -> None:
        self.consumer = SimpleNamespace(_acked={"tp": []}, last_commit=None)
        self.source = FaustSource()
        app: Any = SimpleNamespace(consumer=self.consumer)
        self.source.app = app

    def age_at(self, now_s: float) -> float | None:
        async def ask() -> float | None:
            asyncio.get_running_loop().time = lambda: now_s  # type: ignore[method-assign]  # the point of the test
            return self.source.commit_age_s()

        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(ask())
        finally:
            loop.close()


def test_nothing_acknowledged_is_no_age() -> None:
    assert Clock().age_at(1000.0) is None


def test_an_offset_acknowledged_after_a_quiet_hour_has_waited_for_nothing() -> None:
    clock = Clock()
    clock.consumer.last_commit = 10.0
    assert clock.age_at(3600.0) is None
    clock.consumer._acked["tp"].append(7)
    assert clock.age_at(3610.0) == 0.0
    assert clock.age_at(3612.0) == 2.0


def test_a_commit_that_never_comes_is_noticed() -> None:
    clock = Clock()
    clock.consumer._acked["tp"].append(7)
    assert clock.age_at(100.0) == 0.0
    assert clock.age_at(170.0) == 70.0


def test_commits_in_a_steady_flow_keep_the_age_small() -> None:
    clock = Clock()
    clock.consumer._acked["tp"].append(7)
    assert clock.age_at(100.0) == 0.0
    clock.consumer.last_commit = 169.5
    assert clock.age_at(170.0) == 0.5
