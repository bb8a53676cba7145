"""Event to list, and the floor: from just before a record is sent until a plain consumer has what it caused.

Producer and consumer are processes of their own on this machine's clock; the load is open-loop. A list belongs to the
event that triggered it. An event without a list of its own (its user had another one in the same round) is answered
by the first list that shows a later event of the same user. The first fifth of the events is warm-up.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from benchmarks.open_loop import Schedule, Sent
from benchmarks.systems import Site, start_tool
from benchmarks.watcher import Visible, Watch
from stream_rec.adapters.supervisor import stop
from stream_rec.errors import StateError

T = TypeVar("T")

WARM_SHARE = 0.2
READY_LIMIT_S = 30.0
PREPARE_LIMIT_S = 60.0
DRAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from event to list over `n` events; `missing` had none; `late_p99_ms`: the producer's own delay."""

    offered_per_s: float
    n: int
    missing: int
    p50_ms: float
    p99_ms: float
    mean_bytes: float
    late_p99_ms: float


def measure_lists(site: Site, rate: float, seconds: float, first: int, name: str = "") -> Latency:
    """Offer `rate` shop events a second to the worker of `site`, from event `first` of the shop on.

    `name` tells two runs of one rate apart.
    """
    seen, sent = (str(site.folder / f"{what}-{rate:.0f}{name}.json") for what in ("seen", "sent"))
    watch = Watch(site.bootstrap, site.topics["recommendations"], site.partitions, seen)
    schedule = Schedule(site.bootstrap, site.sources, site.partitions, rate, seconds, sent, first)
    return _measure(watch, schedule, site)


def measure_hop(site: Site, topic: str, rate: float, seconds: float, n_bytes: int) -> Latency:
    """Send `rate` plain records of `n_bytes` a second through `topic`: what Kafka alone costs here and now."""
    watch = Watch(site.bootstrap, topic, site.partitions, str(site.folder / "seen-hop.json"), lists=False)
    schedule = Schedule(
        site.bootstrap,
        (topic,),
        site.partitions,
        rate,
        seconds,
        str(site.folder / "sent-hop.json"),
        hop_bytes=n_bytes,
    )
    return _measure(watch, schedule, site)


def _measure(watch: Watch, schedule: Schedule, site: Site) -> Latency:
    watcher = start_tool("watcher", watch, site.folder / "watcher.txt")
    try:
        _wait_for(watch.ready, site.folder / "watcher.txt")
        producer = start_tool("open_loop", schedule, site.folder / "producer.txt")
        try:
            producer.wait(schedule.seconds + PREPARE_LIMIT_S)
        finally:
            stop(producer, 1)
        time.sleep(DRAIN_S)
    finally:
        stop(watcher, PREPARE_LIMIT_S)
    sent = _decode(Path(schedule.out), list[Sent], site.folder / "producer.txt")
    seen = _decode(Path(watch.out), list[Visible], site.folder / "watcher.txt")
    return match(sent, seen, schedule.rate)


def match(sent: list[Sent], seen: list[Visible], rate: float) -> Latency:
    """Pair every event with what answered it.

    Examples
    --------
    >>> sent = [Sent("c", 0, 0, 0, 0, "a"), Sent("c", 0, 1, 1_000_000, 0, "a")]
    >>> match(sent, [Visible("c", 0, 1, 3_000_000, 9)], 2).p99_ms  # the first event is warm-up
    2.0
    """
    seen_ns = {(one.topic, one.partition, one.offset): one.seen_ns for one in reversed(seen)}
    measured = sent[int(np.ceil(WARM_SHARE * len(sent))) :]
    answered_ns: dict[str, list[tuple[int, int]]] = defaultdict(list)  # user -> (place in `sent`, when seen)
    for i, one in enumerate(sent):
        if (at_ns := seen_ns.get((one.topic, one.partition, one.offset))) is not None:
            answered_ns[one.user].append((i, at_ns))
    first = len(sent) - len(measured)
    delays_ms = []
    for i, one in enumerate(measured, first):
        answers = answered_ns[one.user]
        k = bisect_left(answers, (i, 0))
        if k < len(answers):
            delays_ms.append((answers[k][1] - one.sent_ns) / 1e6)
    if not delays_ms:
        raise StateError(f"latency: need lists for {len(measured)} events; got none. Is the worker alive?")
    p50_ms, p99_ms = np.percentile(delays_ms, [50, 99]).tolist()
    return Latency(
        offered_per_s=rate,
        n=len(delays_ms),
        missing=len(measured) - len(delays_ms),
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        mean_bytes=float(np.mean([one.n_bytes for one in seen])),
        late_p99_ms=float(np.percentile([one.late_ns for one in measured], 99)) / 1e6,
    )


def _wait_for(file: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_LIMIT_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise StateError(f"latency: need the consumer ready in {READY_LIMIT_S:.0f} s; got nothing. See {log}.")
        time.sleep(0.05)


def _decode(file: Path, kind: type[list[T]], log: Path) -> list[T]:
    if not file.exists():
        raise StateError(f"latency: need {file.name}; got none. See {log}.")
    return msgspec.json.decode(file.read_bytes(), type=kind)
