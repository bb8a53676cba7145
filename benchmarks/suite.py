"""One run of everything on one broker: the floor, the latency, two backlogs with both systems."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench_topics import create_hop_topic, create_topics
from benchmarks.drain import Drained, drain, wait_until_drained
from benchmarks.latency import Latency, measure_hop, measure_lists
from benchmarks.loads import Load, Message, distinct_users, message, shop_events, whole_log
from benchmarks.preload import preload
from benchmarks.systems import BATCHED, CASCADE_OFF, CASCADE_ON, NAIVE, START, Site
from stream_rec.adapters.supervisor import stop

RATES = (500, 1000)
FLOOR_RATE = 500
STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything: counts of events and seconds, both bounds."""

    warm: int = 6_000
    warm_naive: int = 1_500  # its lists are cheaper for it: fewer co-occurrences to rank
    distinct: int = 100_000
    distinct_naive: int = 20_000
    log_events: int = 400_000
    log_events_naive: int = 20_000
    drain_s: float = 30.0
    latency_s: float = 20.0
    partitions: int = 4


QUICK = Plan(
    warm=2_000,
    warm_naive=500,
    distinct=15_000,
    distinct_naive=3_000,
    log_events=30_000,
    log_events_naive=4_000,
    drain_s=10.0,
    latency_s=5.0,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    floor: Latency
    latency: dict[int, Latency]
    drained: list[Drained]
    """Each system's backlogs in order: distinct users, then the log; the first alone with the cascade on and off."""

    def of(self, system: str, load: int) -> Drained:
        """Return how `system` did on load 0 (distinct users) or 1 (the log)."""
        return [one for one in self.drained if one.system == system][load]

    @property
    def cascade_ratio(self) -> float:
        """Throughput with the second stage in every list, beside that without it."""
        return self.of(CASCADE_ON, 0).events_per_s / self.of(CASCADE_OFF, 0).events_per_s

    def as_json(self) -> dict[str, object]:
        """Return the figures as `stream-rec bench --json` prints them."""
        distinct, log = self.of(BATCHED, 0), self.of(BATCHED, 1)
        naive_distinct, naive_log = self.of(NAIVE, 0), self.of(NAIVE, 1)
        return {
            "ratio_distinct_users": round(distinct.events_per_s / naive_distinct.events_per_s, 2),
            "ratio_coalesced": round(log.events_per_s / naive_log.events_per_s, 2),
            "events_per_list": round(log.events_per_list, 2),
            "events_per_s_distinct": round(distinct.events_per_s),
            "events_per_s_coalesced": round(log.events_per_s),
            "latency_ms": {str(rate): _percentiles(one) for rate, one in self.latency.items()},
            "floor_ms": _percentiles(self.floor),
            "events_per_s_cascade": {
                "on": round(self.of(CASCADE_ON, 0).events_per_s),
                "off": round(self.of(CASCADE_OFF, 0).events_per_s),
                "ratio": round(self.cascade_ratio, 2),
            },
            "naive_events_per_s_distinct": round(naive_distinct.events_per_s),
            "naive_events_per_s_coalesced": round(naive_log.events_per_s),
            "cpu_us_per_event": {
                f"{one.system}, {one.load}": {
                    "worker": _rounded(one.worker_cpu_us),
                    "broker": _rounded(one.broker_cpu_us),
                }
                for one in self.drained
            },
        }


def _rounded(us: float | None) -> float | None:
    return None if us is None else round(us, 1)


def _percentiles(latency: Latency) -> dict[str, float]:
    return {"p50": round(latency.p50_ms, 2), "p99": round(latency.p99_ms, 2)}


@dataclass(frozen=True, slots=True)
class Bench:
    """A plan, a broker to run it on, a folder for stores and logs."""

    plan: Plan
    bootstrap: str
    broker_pid: int | None
    folder: Path
    log: Path | None

    def run(self) -> Figures:
        """Measure everything, one after the other."""
        _say("floor and latency")
        floor, latency = self._latencies()
        drained: list[Drained] = []
        runs = ((self._distinct, (BATCHED, NAIVE, CASCADE_ON, CASCADE_OFF)), (self._whole_log, (BATCHED, NAIVE)))
        for load_of, systems in runs:
            for system in systems:
                load = load_of(system)
                _say(f"{system}: {load.name}, {len(load.messages) - load.warm:,} events")
                site = self._site(f"{system.replace(', ', '-').replace(' ', '-')}-{len(drained)}")
                drained.append(drain(system, load, site, self.plan.drain_s, self.broker_pid))
        return Figures(floor, latency, drained)

    def _latencies(self) -> tuple[Latency, dict[int, Latency]]:
        plan, site = self.plan, self._site("latency")
        create_topics(site, BATCHED)
        warm = self._recent(plan.warm)
        asyncio.run(preload(site.bootstrap, site.sources, warm))
        process = START[BATCHED](site)
        try:
            wait_until_drained(process, site, len(warm))
            latency: dict[int, Latency] = {}
            first = plan.warm
            for rate in RATES:
                latency[rate] = measure_lists(site, rate, plan.latency_s, first)
                first += int(rate * plan.latency_s)
        finally:
            stop(process, STOP_LIMIT_S)
        n_bytes = round(latency[FLOOR_RATE].mean_bytes)
        floor = measure_hop(site, create_hop_topic(site), FLOOR_RATE, plan.latency_s, n_bytes)
        return floor, latency

    def _recent(self, n: int) -> list[Message]:
        """The shop's first `n` events, moved so that the last one is now."""
        events = list(shop_events(n))
        shift_ms = int(time.time() * 1000) - events[-1].timestamp_ms
        return [
            message(event._replace(timestamp_ms=event.timestamp_ms + shift_ms), self.plan.partitions)
            for event in events
        ]

    def _distinct(self, system: str) -> Load:
        plan = self.plan
        n, warm = (plan.distinct_naive, plan.warm_naive) if system == NAIVE else (plan.distinct, plan.warm)
        return distinct_users(n, warm, plan.partitions, int(time.time() * 1000))

    def _whole_log(self, system: str) -> Load:
        plan = self.plan
        return whole_log(self.log, plan.log_events if system == BATCHED else plan.log_events_naive, plan.partitions)

    def _site(self, name: str) -> Site:
        return Site(self.bootstrap, f"{name}-{int(time.time())}", self.folder / name, self.plan.partitions)


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
