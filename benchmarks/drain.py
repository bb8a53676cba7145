"""Drains one backlog with one system and says how fast, from what the broker appended and when.

The rate is exact: events processed (see `lists_seen.processed_ms`) after the last warm-up event, or after the first
list, until the last list, by the broker's clock. Starting up, joining the group and stopping are not in it.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import time
from collections import Counter
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
WARM_LIMIT_S = 120.0
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
    worker_cpu_us: float
    broker_cpu_us: float | None

    @property
    def events_per_list(self) -> float:
        """How many events one list stands for."""
        return self.events_total / max(1, self.lists)


def drain(system: str, load: Load, site: Site, limit_s: float, broker_pid: int | None) -> Drained:
    """Fill the topics, run the system until all is done or `limit_s` after its first list, read the lists back.

    Raises
    ------
    StateError
        The system ended, published nothing, or did not get past the warm-up.
    """
    create_topics(site, system)
    asyncio.run(preload(site.bootstrap, site.sources, load.messages))
    process = START[system](site)
    try:
        cpu = _run(process, load, site, limit_s, broker_pid)
    finally:
        stop(process, STOP_LIMIT_S)
    lists, others = asyncio.run(read_lists(site.bootstrap, site.topics["recommendations"], site.partitions))
    if not lists:
        raise StateError(f"{system}: need lists; got none. See {site.log}.")
    return _figures(system, load, site, lists, others, cpu)


@dataclass(slots=True)
class _Cpu:
    """CPU seconds of worker and broker between the first and the last look, and the events committed between them."""

    worker_s: float = 0.0
    broker_s: float = 0.0
    share: float = 1.0  # of all lists that were there at the end, how many came between the two looks


def _run(process: subprocess.Popen[bytes], load: Load, site: Site, limit_s: float, broker_pid: int | None) -> _Cpu:
    """Wait until every event is committed or the time is up."""
    worker, broker = psutil.Process(process.pid), psutil.Process(broker_pid) if broker_pid else None
    warm = warm_ends(load, site)
    warm_by, ends_at = time.monotonic() + WARM_LIMIT_S, math.inf
    first = last = (0, 0.0, 0.0)
    with _Progress(site) as progress:
        while time.monotonic() < ends_at and sum(progress.committed().values()) < len(load.messages):
            time.sleep(POLL_S)
            if process.poll() is not None:
                raise StateError(f"worker: need it running; got exit code {process.returncode}. See {site.log}.")
            lists = progress.lists()
            now = (lists, _cpu_s(worker), _cpu_s(broker) if broker else 0.0)
            if lists > last[0]:
                last = now
            if ends_at < math.inf or not lists:
                pass
            elif all(progress.committed().get(place, 0) >= n for place, n in warm.items()):
                first, ends_at = now, time.monotonic() + limit_s
            if ends_at == math.inf and time.monotonic() > warm_by:
                raise StateError(f"worker: need the warm-up done in {WARM_LIMIT_S:.0f} s; got more. See {site.log}.")
    return _Cpu(last[1] - first[1], last[2] - first[2], (last[0] - first[0]) / max(1, last[0]))


def wait_until_drained(process: subprocess.Popen[bytes], site: Site, n: int) -> None:
    """Wait until the group has committed `n` events.

    Raises
    ------
    StateError
        The system ended, or took longer than `WARM_LIMIT_S`.
    """
    deadline = time.monotonic() + WARM_LIMIT_S
    with _Progress(site) as progress:
        while sum(progress.committed().values()) < n:
            if process.poll() is not None or time.monotonic() > deadline:
                raise StateError(f"worker: need {n} events done in {WARM_LIMIT_S:.0f} s; got fewer. See {site.log}.")
            time.sleep(POLL_S)


def warm_ends(load: Load, site: Site) -> dict[tuple[str, int], int]:
    """Return how many of each source partition's messages are warm-up."""
    return Counter((site.sources[topic], partition) for topic, partition, _, _ in load.messages[: load.warm])


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

    def committed(self) -> dict[tuple[str, int], int]:
        return {(place.topic, place.partition): self._consumer.committed(place) or 0 for place in self._sources}


def _figures(system: str, load: Load, site: Site, lists: list[SeenList], others: int, cpu: _Cpu) -> Drained:
    warm = warm_ends(load, site)
    processed = processed_ms(lists)
    if any(len(processed.get(place, ())) < n for place, n in warm.items()):
        raise StateError(f"{system}: need the {load.warm} events of the warm-up done; got fewer. Allow more time.")
    start_ms = max((int(processed[place][n - 1]) for place, n in warm.items()), default=0)
    times = np.concatenate([times[warm.get(place, 0) :] for place, times in processed.items()])
    start_ms = max(start_ms, int(times.min()))
    seconds = max(1, int(times.max()) - start_ms) / 1000
    events = int((times > start_ms).sum())
    total = sum(len(times) for times in processed.values())
    events_seen = max(1.0, total * cpu.share)
    return Drained(
        system=system,
        load=load.name,
        events=events,
        lists=len(lists),
        other_lists=others,
        events_total=total,
        seconds=seconds,
        events_per_s=events / seconds,
        worker_cpu_us=1e6 * cpu.worker_s / events_seen,
        broker_cpu_us=1e6 * cpu.broker_s / events_seen if cpu.broker_s else None,
    )
