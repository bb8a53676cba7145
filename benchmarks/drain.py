"""Drains one backlog with one system and says how fast, from what the broker appended and when.

The rate is exact: events processed (see `lists_seen.processed_ms`) from when the whole backlog lay in Kafka, or from
the first list where nothing had to be taught before, until the last list. Lists carry the time at which the broker
appended them, on this machine's clock. Starting up, joining the group and stopping are not in it.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition

from benchmarks.bench_topics import create_topics
from benchmarks.lists_seen import SeenList, processed_ms, read_lists
from benchmarks.loads import Load
from benchmarks.preload import preload
from benchmarks.systems import START, Site
from stream_rec.adapters.supervisor import stop
from stream_rec.errors import StateError

POLL_S = 0.5
START_LIMIT_S = 180.0
STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Drained:
    """How one system did on one backlog."""

    system: str
    load: str
    events: int  # measured
    lists: int  # triggered by events
    other_lists: int  # the sweep's
    events_total: int  # processed, warm-up included
    seconds: float
    events_per_s: float
    worker_cpu_us: float | None  # None: it was over before a second look
    broker_cpu_us: float | None

    @property
    def events_per_list(self) -> float:
        """How many events one list stands for."""
        return self.events_total / max(1, self.lists)


def drain(
    system: str, load: Load, site: Site, limit_s: float, broker_pid: int | None,
    prepare: Callable[[], object] = lambda: None,
) -> Drained:  # fmt: skip
    """Teach the system the warm-up, then let it drain the rest for `limit_s` at most, and read its lists back.

    `prepare` is called once the topics exist, before the system starts.

    Raises
    ------
    StateError
        The system ended, published nothing, or needed too long for the warm-up.
    """
    create_topics(site, system)
    prepare()
    warm, rest = load.messages[: load.warm], load.messages[load.warm :]
    asyncio.run(preload(site.bootstrap, site.sources, warm or rest))
    process = START[system](site)
    start_ms = 0
    try:
        if warm:
            wait_until_drained(process, site, len(warm))
            asyncio.run(preload(site.bootstrap, site.sources, rest))
            start_ms = int(time.time() * 1000)
        cpu = _watch(process, len(load.messages), site, limit_s, broker_pid)
    finally:
        stop(process, STOP_LIMIT_S)
    lists, others = asyncio.run(read_lists(site.bootstrap, site.topics["recommendations"], site.partitions))
    if not lists:
        raise StateError(f"{system}: need lists of events; got none and {others} others. {last_words(site)}")
    return _figures(system, load, site, start_ms, lists, others, cpu)


@dataclass(slots=True)
class _Cpu:
    """CPU seconds of worker and broker between the first and the last look, and the share of all lists of then."""

    worker_s: float
    broker_s: float
    share: float


def _watch(process: subprocess.Popen[bytes], n: int, site: Site, limit_s: float, broker_pid: int | None) -> _Cpu:
    """Wait until `n` events are committed, or `limit_s` after the first progress, which may take longer."""
    worker, broker = psutil.Process(process.pid), psutil.Process(broker_pid) if broker_pid else None
    first = last = (0, 0.0, 0.0)
    gives_up, ends = time.monotonic() + START_LIMIT_S, math.inf
    with _Progress(site) as progress:
        before = committed = progress.committed()
        while time.monotonic() < min(gives_up, ends) and committed < n:
            _check_alive(process, site)
            committed = progress.committed()
            now = (progress.lists(), _cpu_s(worker), _cpu_s(broker) if broker else 0.0)
            if committed > before and ends == math.inf:
                first, gives_up, ends = now, math.inf, time.monotonic() + limit_s
            if now[0] > last[0]:
                last = now
            time.sleep(POLL_S)
    return _Cpu(last[1] - first[1], last[2] - first[2], (last[0] - first[0]) / max(1, last[0]))


def wait_until_drained(process: subprocess.Popen[bytes], site: Site, n: int) -> None:
    """Wait until the group has committed `n` events.

    Raises
    ------
    StateError
        The system ended, or took longer than `START_LIMIT_S`.
    """
    deadline = time.monotonic() + START_LIMIT_S
    with _Progress(site) as progress:
        while progress.committed() < n:
            _check_alive(process, site)
            if time.monotonic() > deadline:
                raise StateError(
                    f"bench: need {n} events done in {START_LIMIT_S:.0f} s; got {progress.committed()}. "
                    + last_words(site)
                )
            time.sleep(POLL_S)


def _check_alive(process: subprocess.Popen[bytes], site: Site) -> None:
    if process.poll() is not None:
        raise StateError(f"bench: need a running system; got exit code {process.returncode}. {last_words(site)}")


def last_words(site: Site) -> str:
    """Return the last line the system printed."""
    lines = site.log.read_text(errors="replace").strip().splitlines()
    return "It said: " + (lines[-1][-500:] if lines else "nothing")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class _Progress:
    """Looks at the ends of the list topic and at what the group has committed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lists = [TopicPartition(site.topics["recommendations"], p) for p in range(site.partitions)]
        self._sources = [TopicPartition(topic, p) for topic in site.sources for p in range(site.partitions)]

    def __enter__(self) -> _Progress:
        self._consumer = KafkaConsumer(bootstrap_servers=self._site.bootstrap, group_id=self._site.group)
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def lists(self) -> int:
        return int(sum(self._consumer.end_offsets(self._lists).values()))

    def committed(self) -> int:
        return sum(self._consumer.committed(place) or 0 for place in self._sources)


def _figures(
    system: str, load: Load, site: Site, start_ms: int, lists: list[SeenList], others: int, cpu: _Cpu
) -> Drained:
    warm = Counter((site.sources[topic], partition) for topic, partition, _, _ in load.messages[: load.warm])
    processed = processed_ms(lists)
    times = np.concatenate([times[warm[place] :] for place, times in processed.items()])
    start_ms = max(start_ms, int(times.min()))
    events = int((times > start_ms).sum())
    seconds = max(1, int(times.max()) - start_ms) / 1000
    total = sum(len(times) for times in processed.values())
    events_looked_at = max(1.0, total * cpu.share)
    return Drained(
        system=system,
        load=load.name,
        events=events,
        lists=len(lists),
        other_lists=others,
        events_total=total,
        seconds=seconds,
        events_per_s=events / seconds,
        worker_cpu_us=1e6 * cpu.worker_s / events_looked_at if cpu.worker_s > 0 else None,
        broker_cpu_us=1e6 * cpu.broker_s / events_looked_at if cpu.broker_s > 0 else None,
    )
