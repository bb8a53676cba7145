"""The lists that a worker publishes are those of a backtest of the same log.

Both run the same core; live, an item delta travels through Kafka before it counts. So each event is sent when the
counts of the one before have arrived: then every list has to be equal, however slow the machine.

With `--equality-rate 50 --equality-events 3000 --equality-log FILE` events are sent by the clock, and a list may lack
the counts of the last few events. A backtest with `--replica-lag-events k` ranks without those of the last k: a live
list that differs from the plain backtest's is looked for there. Only lists with a trigger are compared: the sweep goes
by the clock. A backtest has one partition, the worker four.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from itertools import islice, zip_longest
from pathlib import Path

import pytest

from stream_rec.adapters.embedded_kafka import free_port
from stream_rec.adapters.log_replay import open_producer
from stream_rec.backtest.event_log import read_log
from stream_rec.backtest.log_rows import PURCHASES, source_topic, to_event_json
from stream_rec.config import Settings
from stream_rec.shop import Shop
from stream_rec.shop.files import write_events
from tests.integration.live_log import Progress, metrics_of, with_worker
from tests.integration.worker_process import environment, read_all, running, wait_until

pytestmark = pytest.mark.kafka

LEAST_EQUAL_BY_THE_CLOCK = 0.97
LAGS = (1, 2, 3, 4, 6, 8, 12)
STEP_LIMIT_S = 30.0
OTHERWISE = "otherwise"
Lists = dict[int, list[str]]
"""Index of the event that triggered a list -> its items."""


def stream_rec(settings: Settings, *words: object) -> None:
    """Run a command of the command line."""
    command = [sys.executable, "-m", "stream_rec", *map(str, words)]
    subprocess.run(command, check=True, env=environment(settings), stdout=subprocess.DEVNULL)


def backtest(settings: Settings, log: Path, n: int, out: Path, lag: int = 0) -> Lists:
    """The lists of `stream-rec backtest`, event by event."""
    stream_rec(settings, "backtest", log, "--limit", n, "--replica-lag-events", lag, "--lists", out, "--json")
    lines = map(json.loads, out.read_text().splitlines())
    return {line["event_index"]: line["items"] for line in lines}


def live(settings: Settings, log: Path, n: int, rate: float | None, worker_log: Path) -> Lists:
    """The lists of a worker to which `stream-rec replay` sends the log by the clock, or this test event by event."""
    with running(settings, worker_log) as worker, Progress(settings) as progress:
        if rate is None:
            send_one_by_one(settings, log, n, progress)
        else:
            stream_rec(settings, "replay", log, "--limit", n, "--rate", rate)
        wait_until(progress.drained, "every event applied")
        assert worker.stop()[0] == 0
    index_of = {}
    for record in read_all(settings, settings.topics.clicks, settings.topics.purchases):
        event_id = json.loads(record.value)["event_id"]
        index_of[record.topic, record.partition, record.offset] = int(event_id.removeprefix("log-"))
    published = [json.loads(record.value) for record in read_all(settings, settings.topics.recommendations)]
    triggered = [(tuple(one["trigger"].values()), one["items"]) for one in published if one["trigger"]]
    return {index_of[trigger]: [item["item_id"] for item in items] for trigger, items in triggered}


def send_one_by_one(settings: Settings, log: Path, n: int, progress: Progress) -> None:
    """Send each event when the list of the one before is out and its counts are applied."""
    producer = open_producer(settings.kafka.bootstrap, "test")
    for event in islice(read_log(log), n):
        topic = settings.topics.purchases if source_topic(event) == PURCHASES else settings.topics.clicks
        producer.send(topic, to_event_json(event), event.user_id.encode()).get(timeout=10)
        end = time.monotonic() + STEP_LIMIT_S
        while not settled(metrics_of(settings), event.index + 1, progress):
            assert time.monotonic() < end, f"event {event.index} not applied in {STEP_LIMIT_S} s"
            time.sleep(0.005)
    producer.close()


def settled(counted: dict[str, float], n: int, progress: Progress) -> bool:
    """Tell whether `n` events, and all the item deltas that came of them, are applied."""
    return counted.get("events_total:applied", 0) == n and counted["deltas_applied_total"] == progress.deltas()


def first_difference(one: list[str], other: list[str]) -> int:
    """Rank, from 1, at which two lists part."""
    return next(rank for rank, (a, b) in enumerate(zip_longest(one, other), 1) if a != b)


def explain(settings: Settings, log: Path, n: int, differing: Lists, out: Path) -> Counter[int | str]:
    """How many of the differing lists are those of a backtest whose counts lag, by the smallest lag."""
    why: Counter[int | str] = Counter()
    left = dict(differing)
    for lag in LAGS if left else ():
        lagging = backtest(settings, log, n, out, lag)
        same = [index for index, items in left.items() if items == lagging[index]]
        why[lag] = len(same)
        for index in same:
            del left[index]
    why[OTHERWISE] = len(left)
    return why


@pytest.fixture
def log(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    if given := request.config.getoption("--equality-log"):
        return Path(given)
    path = tmp_path / "shop.csv"
    shop = Shop(users=40, items=200)
    write_events(path, shop, shop.first(request.config.getoption("--equality-events")))
    return path


def test_live_lists_are_the_backtest_s(
    live_settings: Settings, log: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    n, rate = request.config.getoption("--equality-events"), request.config.getoption("--equality-rate")
    settings = with_worker(live_settings, metrics_port=free_port())
    expected = backtest(settings, log, n, tmp_path / "lists.jsonl")
    assert set(expected) == set(range(n))
    actual = live(settings, log, n, rate, tmp_path / "worker.log")
    differing = {index: items for index, items in actual.items() if items != expected[index]}
    equal = 1 - len(differing) / len(actual)
    why = explain(settings, log, n, differing, tmp_path / "lagging.jsonl")
    ranks = Counter(first_difference(items, expected[index]) for index, items in differing.items())
    print(
        f"{n:,} events, {len(actual):,} lists, {equal:.2%} equal; {n - len(actual)} events shared a later one's list. "
        f"Of the others, so many lack the counts of the last k events: {dict(why)}; first difference at rank: "
        f"{dict(sorted(ranks.items()))}"
    )
    if rate is None:
        assert actual == expected
    else:
        assert equal >= LEAST_EQUAL_BY_THE_CLOCK
