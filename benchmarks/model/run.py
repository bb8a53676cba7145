"""What `stream-rec bench model` runs from a checkout."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table

from benchmarks.model.suite import QUICK, RATE, Bench, Figures, Plan
from benchmarks.run import show
from stream_rec.adapters import embedded_kafka
from stream_rec.config import user_cache_folder


def run(as_json: bool, quick: bool) -> None:
    """Measure and print.

    Raises
    ------
    ConfigError
        No broker could be started.
    StateError
        A process ended or published nothing.
    """
    for client in ("aiokafka", "kafka"):
        logging.getLogger(client).setLevel(logging.CRITICAL)  # clients retry while topics appear: nothing to tell
    with tempfile.TemporaryDirectory(prefix="stream-rec-bench-") as name:
        folder = Path(name)
        broker = embedded_kafka.start(folder / "kafka", port=0, cache=user_cache_folder())
        try:
            figures = Bench(QUICK if quick else Plan(), broker.bootstrap, broker.pid, folder).run()
        finally:
            broker.stop()
    show(figures.as_json() if as_json else _tables(figures))


def _tables(figures: Figures) -> RenderableType:
    return Group(_throughput(figures), _latency(figures))


def _throughput(figures: Figures) -> Table:
    table = Table(title="throughput: a backlog, every event another user", title_justify="left")
    table.add_column("sequence model")
    for name in ("events/s", "ratio", "worker µs/event"):
        table.add_column(name, justify="right")
    for label, one in (("without", figures.without), ("with", figures.with_model)):
        cpu = "" if one.worker_cpu_us is None else f"{one.worker_cpu_us:.0f}"
        table.add_row(label, f"{one.events_per_s:,.0f}", f"{one.events_per_s / figures.without.events_per_s:.2f}", cpu)
    return table


def _latency(figures: Figures) -> Table:
    table = Table(title=f"event sent → list seen by a plain consumer, {RATE} events/s", title_justify="left")
    table.add_column("sequence model")
    for name in ("p50 ms", "p99 ms", "events", "unanswered"):
        table.add_column(name, justify="right")
    runs = {
        "without": figures.latency_without,
        "with": figures.latency_with,
        "with, another version is promoted amid the events": figures.latency_promotion,
    }
    for label, one in runs.items():
        table.add_row(label, f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", f"{one.n:,}", f"{one.missing:,}")
    named = ", ".join(f"{version} {lists:,}" for version, lists in sorted(figures.named.items()))
    table.caption = (
        f"p99 with the promotion is {figures.p99_ratio:.2f} times that before it. Lists by version: {named}."
    )
    return table
