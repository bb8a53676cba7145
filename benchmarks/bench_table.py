"""The figures as a table for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from benchmarks.drain import Drained
from benchmarks.latency import Latency
from benchmarks.suite import Figures
from benchmarks.systems import BATCHED, CASCADE_OFF, CASCADE_ON, NAIVE


def tables_of(figures: Figures) -> RenderableType:
    """Return the throughput and the latency table."""
    return Group(_throughput(figures), _latency(figures))


def _throughput(figures: Figures) -> Table:
    table = Table(title="throughput: a backlog, drained", title_justify="left")
    table.add_column("load")
    table.add_column("system")
    for name in ("events/s", "ratio", "events/list", "events", "seconds", "worker µs/event", "broker µs/event"):
        table.add_column(name, justify="right")
    for load in (0, 1):
        batched, naive = figures.of(BATCHED, load), figures.of(NAIVE, load)
        _add(table, batched, f"{batched.events_per_s / naive.events_per_s:.1f}×")
        _add(table, naive, "1×")
    _add(table, figures.of(CASCADE_ON, 0), f"{figures.cascade_ratio:.2f}× off")
    _add(table, figures.of(CASCADE_OFF, 0), "1× off")
    table.caption = "broker's clock, last warm-up event to last list; µs are CPU time. " + " ".join(
        f"{one.system} also published {one.other_lists:,} lists at session ends ({one.load})."
        for one in figures.drained
        if one.other_lists
    )
    return table


def _add(table: Table, one: Drained, ratio: str) -> None:
    worker, broker = ("" if us is None else f"{us:.0f}" for us in (one.worker_cpu_us, one.broker_cpu_us))
    table.add_row(
        one.load,
        one.system,
        f"{one.events_per_s:,.0f}",
        ratio,
        f"{one.events_per_list:.2f}",
        f"{one.events:,}",
        f"{one.seconds:.1f}",
        worker,
        broker,
    )


def _latency(figures: Figures) -> Table:
    table = Table(title="event sent → list seen by a plain consumer", title_justify="left")
    table.add_column("offered")
    for name in ("p50 ms", "p99 ms", "events", "unanswered", "producer late p99 ms"):
        table.add_column(name, justify="right")
    floor = figures.floor
    _add_latency(table, f"floor: a plain hop of {floor.mean_bytes:,.0f} bytes, {floor.offered_per_s:.0f}/s", floor)
    for rate, one in figures.latency.items():
        _add_latency(table, f"{rate:,} events/s", one)
    return table


def _add_latency(table: Table, label: str, one: Latency) -> None:
    table.add_row(
        label, f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", f"{one.n:,}", f"{one.missing:,}", f"{one.late_p99_ms:.1f}"
    )
