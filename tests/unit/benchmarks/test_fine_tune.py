"""Both are scored on every period, and only the tuned one has learned from the periods before."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fine_tune.suite import DAY_MS, measure, periods
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.neural.interactions import interactions_of
from stream_rec.roles.trainer import TrainRequest, train
from tests.unit.neural.small_shop import TINY, Line, chain_log


def test_periods_hold_every_event_once() -> None:
    log = interactions_of(Line(DAY_MS * day, f"user-{day % 3}", "item") for day in range(20))
    assert list(periods(log, 4 * DAY_MS, 7)) == [(4, 11, 18), (11, 18, 20)]


def test_a_tuned_version_follows_the_shop_to_new_items(tmp_path: Path) -> None:
    later = [Line(line.timestamp_ms + 1_000_000, line.user_id, f"new-{line.item_id}") for line in chain_log(1_000)]
    lines = chain_log(1_000) + later
    request = TrainRequest(tmp_path, "chains", TINY, until=0.5, test_events=200)
    train(lines, {}, request, lambda stage, done, of, note: None)
    log = interactions_of(lines, ModelRegistry(tmp_path).tables("v0001").item_ids)
    said: list[int] = []
    days = 300_000 / DAY_MS
    figures = measure(log, {}, tmp_path, "v0001", days, 0, lambda so_far: said.append(so_far.scored)).as_json()
    assert len(said) == figures["periods"] == 3
    assert figures["scored"] == pytest.approx(figures["events"], abs=2)
    assert figures["tuned"]["mrr20"] > figures["frozen"]["mrr20"] == 0
