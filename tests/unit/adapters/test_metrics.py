"""Every metric is declared, served and documented; a round adds up."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from prometheus_client import generate_latest

from stream_rec.adapters.metrics import METRICS, PREFIX, Metrics, metrics_page
from stream_rec.core.rounds import RoundStats

DOCS = Path(__file__).parents[3] / "docs"


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(PREFIX + name, labels)


def test_the_page_lists_every_metric() -> None:
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == metrics_page(), "run make docs"
    assert all(spec.help.endswith(".") for spec in METRICS)


def test_the_endpoint_serves_every_declared_metric() -> None:
    metrics = Metrics()
    port = metrics.serve("127.0.0.1", 0)
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        page = answer.read().decode()
    assert [spec.name for spec in METRICS if f"# HELP {PREFIX}{spec.name}" not in page] == []


def test_two_workers_in_a_process_do_not_share_counters() -> None:
    one, other = Metrics(), Metrics()
    one.add("lists", 3)
    assert (value(one, "lists_total"), value(other, "lists_total")) == (3, 0)


def test_what_was_read_is_applied_duplicate_or_dead() -> None:
    metrics = Metrics()
    stats = RoundStats(read=10, applied=7, duplicates=2, dead=1, looks=4, hits=2, reciprocal_ranks=0.75, lists=5)
    stats.by_kind = Counter({"view_item": 6, "purchase": 1})
    stats.dead_by_reason = Counter({"not-json": 1})
    metrics.round_done(stats)
    outcomes = {o: value(metrics, "events_total", outcome=o) for o in ("applied", "duplicate", "dead")}
    assert outcomes == {"applied": 7, "duplicate": 2, "dead": 1}
    assert value(metrics, "events_applied_total", kind="view_item") == 6
    assert value(metrics, "dead_letters_total", reason="not-json") == 1
    assert value(metrics, "reciprocal_ranks_total", list="served") == 0.75
    assert value(metrics, "round_events_sum") == 10


def test_both_arms_are_there_from_the_start_and_add_up() -> None:
    metrics = Metrics()
    stats = RoundStats(
        arm_looks=Counter({"with": 3}), arm_hits=Counter({"with": 1}), arm_reciprocal_ranks={"with": 0.5}
    )
    for _ in range(2):
        metrics.round_done(stats)
    found = {
        arm: [value(metrics, f"model_{name}_total", arm=arm) for name in ("looks", "hits", "reciprocal_ranks")]
        for arm in ("with", "without")
    }
    assert found == {"with": [6, 2, 1.0], "without": [0, 0, 0]}


def test_the_serving_version_is_shown_with_what_was_announced_of_it() -> None:
    metrics = Metrics()
    facts = {"learned_until_ms": 4_000.0, "agreement": 0.7}
    metrics.model_serves("v0001", 0.9, 9_000, facts)
    metrics.model_serves("v0002", 0.8, 10_000, facts)
    assert [value(metrics, "sequence_model", version=v) for v in ("none", "v0001", "v0002")] == [None, None, 1.0]
    shown = {name: value(metrics, f"sequence_{name}") for name in ("coverage", "data_age_seconds", "agreement")}
    assert shown == {"coverage": 0.8, "data_age_seconds": 6.0, "agreement": 0.7}


@pytest.mark.parametrize(
    ("newest_event_ms", "facts", "age_s"),
    [
        (10_000, {}, math.nan),
        (10_000, {"learned_until_ms": 0.0, "agreement": 0.0}, math.nan),  # what older announcements say
        (0, {"learned_until_ms": 4_000.0}, math.nan),
        (3_000, {"learned_until_ms": 4_000.0}, 0.0),
    ],
)
def test_what_was_not_measured_of_a_version_is_no_number(
    newest_event_ms: int, facts: dict[str, float], age_s: float
) -> None:
    metrics = Metrics()
    shown = ("sequence_data_age_seconds", "sequence_agreement")
    assert [value(metrics, name) for name in shown] == pytest.approx([math.nan, math.nan], nan_ok=True)
    metrics.model_serves("v0003", 1.0, newest_event_ms, facts)
    assert [value(metrics, name) for name in shown] == pytest.approx([age_s, math.nan], nan_ok=True)


def test_a_sweep_is_not_counted_as_a_round() -> None:
    metrics = Metrics()
    metrics.round_done(RoundStats(read=1, lists=1, linear_serves=True))
    metrics.round_done(RoundStats(lists=3))
    assert (value(metrics, "rounds_total"), value(metrics, "lists_total")) == (1, 4)
    assert value(metrics, "linear_serves") == 1.0, "a sweep does not say who orders the lists"


def test_the_bulk_histogram_equals_one_filled_value_by_value() -> None:
    metrics = Metrics()
    metrics.list_ages(np.array([0.001, 0.004, 0.0041, 700.0]))
    assert value(metrics, "event_to_list_seconds_count") == 4
    assert value(metrics, "event_to_list_seconds_sum") == pytest.approx(700.0091)
    cumulative = [value(metrics, "event_to_list_seconds_bucket", le=le) for le in ("0.002", "0.004", "600.0", "+Inf")]
    assert cumulative == [1, 2, 3, 4]
    assert b"event_to_list_seconds" in generate_latest(metrics.registry)


def test_partitions_that_went_away_leave_no_series() -> None:
    metrics = Metrics()
    metrics.put("consumer_lag", 5, topic="clicks", partition="3")
    metrics.clear("consumer_lag")
    assert value(metrics, "consumer_lag", topic="clicks", partition="3") is None
