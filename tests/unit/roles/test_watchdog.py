"""The watchdog, on a clock we turn ourselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from stream_rec.adapters.metrics import Metrics
from stream_rec.config import load
from stream_rec.roles.assignment import Assignment
from stream_rec.roles.parts import Parts
from stream_rec.roles.watchdog import STALLED_S, Watchdog


class Group:
    """A consumer with so much backlog per partition, and offsets waiting for a commit."""

    def __init__(self, backlog: int, commit_age_s: float | None) -> None:
        self._backlog = backlog
        self._commit_age_s = commit_age_s

    def backlog(self, topic: str, partition: int) -> int:
        return self._backlog

    def commit_age_s(self) -> float | None:
        return self._commit_age_s


@pytest.fixture
def parts() -> Parts:
    users, tail = SimpleNamespace(cache=[]), SimpleNamespace(lag=lambda: 0)
    worker = SimpleNamespace(
        settings=load(), metrics=Metrics(), users=users, items=SimpleNamespace(n=0), tail=tail, progress=0
    )
    return cast(Parts, worker)


def watch(
    parts: Parts, *, backlog: int = 0, commit_age_s: float | None = None, progress: int = 0, running: bool = True
) -> list[str]:
    """Look twice, a little more than the limit apart; return the reasons to stop."""
    stopped: list[str] = []
    current = cast(Assignment, SimpleNamespace(running=running, partitions=[0]))
    dog = Watchdog(parts, Group(backlog, commit_age_s), lambda: current, stopped.append)
    dog.look(0.0)
    parts.progress += progress
    dog.look(STALLED_S + 1)
    return stopped


def test_nothing_to_do_is_no_reason_to_stop(parts: Parts) -> None:
    assert watch(parts, backlog=0) == []


def test_records_that_wait_while_nothing_moves_are(parts: Parts) -> None:
    assert watch(parts, backlog=5) == ["15 records wait and none was processed for 60 s"]


def test_a_backlog_that_is_worked_off_is_not(parts: Parts) -> None:
    assert watch(parts, backlog=5, progress=1) == []


def test_a_long_restore_is_not(parts: Parts) -> None:
    assert watch(parts, backlog=5, running=False) == []


def test_offsets_that_are_never_committed_are(parts: Parts) -> None:
    assert watch(parts, commit_age_s=STALLED_S + 5)[0] == "offsets were not committed for 65 s"
