"""The demo's page, from a plain snapshot."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stream_rec.roles.demo_page import (
    Arm,
    DemoSnapshot,
    HitRates,
    ShownItem,
    ShownList,
    page,
    plain_line,
    plain_list,
    summary,
)

RATES = HitRates(hit=0.48, mrr=0.21, popular_hit=0.11, popular_mrr=0.04, of=2_000, oracle_hit=0.64, oracle_of=120)
LIST = ShownList(
    "u7", "looked at Retro Fox Mug", (ShownItem("Retro Fox Teapot", "because you looked at Retro Fox Mug"),)
)
SHOT = DemoSnapshot(
    phase="live",
    kafka="127.0.0.1:29092",
    metrics="http://127.0.0.1:9464/metrics",
    elapsed_s=75.0,
    sent=1_000,
    total=None,
    events_per_s=301.4,
    applied=990,
    duplicates=2,
    dead=3,
    lists=700,
    users_with_list=80,
    list_ms=(4.4, 18.7),
    rates=RATES,
    newest=(LIST,) * 6,
)


def text_of(shot: DemoSnapshot, width: int = 100, height: int = 40) -> str:
    console = Console(record=True, file=io.StringIO(), width=width, height=height)
    console.print(page(shot, height))
    return console.export_text()


def test_the_page_shows_speed_delay_balance_and_hit_rates_beside_each_other() -> None:
    shown = text_of(SHOT)
    for part in ("live", "1:15", "301", "4.4 ms", "18.7 ms", "1,000", "990", "48.0%", "11.0%", "64.0%", "0.210"):
        assert part in shown
    assert "ours is 75% of what is possible" in shown


def test_the_newest_lists_carry_titles_and_reasons() -> None:
    shown = text_of(SHOT)
    assert "u7 looked at Retro Fox Mug" in shown
    assert "1. Retro Fox Teapot" in shown
    assert "because you looked at Retro Fox Mug" in shown


def test_what_was_sent_and_is_not_yet_processed_is_on_its_way() -> None:
    assert any("on their way" in line and " 5 " in line for line in text_of(SHOT).splitlines())


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 50)])
def test_the_page_fits_the_terminal(width: int, height: int) -> None:
    lines = text_of(SHOT, width, height).rstrip("\n").splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_while_the_past_is_learned_no_rates_are_shown() -> None:
    shown = text_of(replace(SHOT, rates=None, total=15_000, list_ms=None, newest=()))
    assert "once the shop's past is learned" in shown
    assert "1,000 of 15,000" in shown
    assert "none yet" in shown


def test_a_log_has_no_oracle() -> None:
    shown = text_of(replace(SHOT, rates=RATES._replace(oracle_hit=None)))
    assert "oracle" not in shown


ARMS = (Arm("with", 4_000, 2_000), Arm("without", 1_000, 480))
SERVING = replace(SHOT, model="v0001 serves since 1:02", arms=ARMS)


def test_both_arms_stand_beside_each_other_with_counts_and_intervals() -> None:
    for shown in (text_of(SERVING), plain_line(SERVING), summary(SERVING, 80, 0, 10.0)):
        for part in ("v0001 serves since 1:02", "with", "50.0%", "48.5–51.5", "4,000", "48.0%", "44.9–51.1", "1,000"):
            assert part in shown


@pytest.mark.parametrize("state", ["training, 43%", "none: train ended with 2: need the packages of the extra"])
def test_how_far_the_model_is_stands_on_the_page_before_it_serves(state: str) -> None:
    shot = replace(SHOT, model=state)
    assert all(f"sequence model {state}" in shown for shown in (text_of(shot, 140), plain_line(shot)))
    assert "looks" not in text_of(replace(shot, rates=None))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 50)])
def test_the_page_with_both_arms_fits_the_terminal(width: int, height: int) -> None:
    long = replace(SERVING, model="none: " + "something went wrong " * 12, total=15_000)
    for shot in (SERVING, long):
        lines = text_of(shot, width, height).rstrip("\n").splitlines()
        assert len(lines) <= height
        assert max(map(len, lines)) <= width


def test_the_plain_line_says_the_same() -> None:
    line = plain_line(SHOT)
    assert "\n" not in line
    for part in ("1:15 live", "990 applied + 2 duplicates + 3 dead", "p50 4.4 p99 18.7 ms", "oracle 0.640"):
        assert part in line
    assert "because you looked at Retro Fox Mug" in plain_list(LIST)


def test_the_summary_says_whether_the_sums_are_right() -> None:
    done = replace(SHOT, applied=995)
    assert "events in 1,000 = applied 995 + duplicates 2 + dead 3" in summary(done, 80, 0, 10.0)
    assert "every one" in summary(done, 80, 0, 10.0)
    assert "≠" in summary(SHOT, 80, 0, 10.0)
    assert "with a list in recommendations 79: 1 WITHOUT" in summary(done, 80, 1, 10.0)
