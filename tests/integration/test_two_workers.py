"""Workers join and leave while events flow: no event is lost or counted twice."""

from __future__ import annotations

import time
from itertools import takewhile
from pathlib import Path
from threading import Event

import pytest

from stream_rec.config import Settings
from tests.integration.ledger import assert_exact
from tests.integration.live_log import Progress, sending, shop_log, with_worker
from tests.integration.worker_process import READY, running, wait_until

pytestmark = pytest.mark.kafka

MOST_EVENTS = 20_000
PER_S = 200.0
LIMIT_S = 120.0
SETTLED_S = 1.0


def test_one_joins_and_the_first_one_leaves(live_settings: Settings, tmp_path: Path) -> None:
    second_settings = with_worker(live_settings, data_dir=tmp_path / "second")
    first_log, enough = tmp_path / "first.log", Event()
    flow = takewhile(lambda _: not enough.is_set(), shop_log(live_settings, MOST_EVENTS))
    with running(live_settings, first_log) as first, Progress(live_settings) as progress:
        assert first_log.read_text().count(READY) == 1
        with sending(live_settings, flow, PER_S) as replay, running(second_settings, tmp_path / "second.log") as second:
            try:
                wait_until(lambda: first_log.read_text().count(READY) == 2, "partitions shared", LIMIT_S)
                time.sleep(SETTLED_S)  # both work
                assert first.stop()[0] == 0
                wait_until(lambda: "[0, 1, 2, 3] ready" in second.log.read_text(), "all partitions moved", LIMIT_S)
                time.sleep(SETTLED_S)
            finally:
                enough.set()
            sent = replay.result().sent
            wait_until(progress.drained, "every event and every delta committed", LIMIT_S)
            assert second.stop()[0] == 0
    assert assert_exact(second_settings).events.total() == sent
