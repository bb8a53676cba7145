"""A comparison: the same events scored for everybody, figures from their places, a page that stands alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from stream_rec.backtest.baselines.protocol import Sizes
from stream_rec.backtest.baselines.registry import build_baselines
from stream_rec.backtest.bootstrap import clustered_difference
from stream_rec.backtest.compare import PRODUCT, Comparison
from stream_rec.backtest.event_log import read_log
from stream_rec.backtest.html_report import FEWEST, report_page
from stream_rec.backtest.places import PlaceKeeper
from stream_rec.backtest.replay import Backtest, BacktestSettings
from stream_rec.backtest.report import tables_of
from stream_rec.backtest.run import BacktestRequest, run_backtest
from stream_rec.backtest.strata import all_strata
from stream_rec.backtest.stream import Stream
from stream_rec.backtest.walk import NOT_SCORED, Walked
from stream_rec.charts.page_style import DARK, LIGHT
from stream_rec.core.presets import PRESETS
from stream_rec.core.state.items import ItemTable
from stream_rec.shop import Shop

NAMES = [PRODUCT, *(baseline.name for baseline in build_baselines(Sizes(1, 1, 1), "retail"))]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    rows = [f"{e.timestamp_ms},{e.user_id},{e.item_id},{e.event}" for e in Shop(users=40, items=60).events(1200)]
    path.write_text("\n".join(["timestamp_ms,user_id,item_id,event", *rows]))
    return path


def run(log: Path, **options: Any) -> dict[str, Any]:
    return run_backtest(BacktestRequest(log, compare=True, **options), lambda values: values)


@pytest.mark.parametrize("repeats", ["allowed", "excluded"])
def test_everybody_is_scored_at_the_events_the_planes_score(log: Path, repeats: str) -> None:
    figures = run(log, repeats=repeats)
    methods = figures["comparison"]["methods"]
    assert [method["name"] for method in methods] == NAMES
    assert {method["whole"]["n"] for method in methods} == {figures["scored"]}
    for span in ("last_half", "whole"):
        assert methods[0][span] == figures["fresh"][span]
    assert all(method["us_per_event"] > 0 for method in methods)


def test_every_nth_event_is_scored_for_everybody_and_all_are_counted(log: Path) -> None:
    whole, skimmed = run(log), run(log, every=4)
    assert 0 < skimmed["scored"] < whole["scored"] / 3
    assert {method["whole"]["n"] for method in skimmed["comparison"]["methods"]} == {skimmed["scored"]}
    assert skimmed["served"]["whole"]["n"] == whole["served"]["whole"]["n"]
    assert skimmed["events"] == whole["events"]


def test_the_table_has_a_row_per_method(log: Path) -> None:
    tables = tables_of(run(log))
    assert [table.row_count for table in tables[1:]] == [len(NAMES)]


def comparison_of(product: list[int], baseline: list[int], users: int = 4) -> Comparison:
    n = len(product)
    numbers = np.arange(n)
    stream = Stream(
        log_index=numbers,
        users=(numbers % users).astype(np.int32),
        items=np.minimum(numbers, 5).astype(np.int32),
        sessions=np.ones(n, np.int32),
        times_ms=numbers * 1000,
    )
    methods = (Walked(PRODUCT, np.array(product, np.int8), 1.0), Walked("rival", np.array(baseline, np.int8), 1.0))
    return Comparison(stream, methods, n // 2)


def test_the_page_says_what_the_places_say(log: Path) -> None:
    n = 4 * FEWEST
    page = report_page("a shop", comparison_of([1, 0] * (n // 2), [0, 0, 0, 20] * (n // 4), users=39))
    assert "<b>50.0%</b>" in page
    assert "rival, had it in 25.0%" in page
    assert "<b>25.0 points more</b>" in page


def test_a_difference_that_could_be_chance_is_called_none() -> None:
    page = report_page("a shop", comparison_of([1, 0, 0, 0] * 30, [0, 1, 0, 0] * 30))
    assert "no difference that 4 users could prove" in page


def test_the_page_needs_nothing_from_outside_and_its_pictures_are_well_formed(log: Path, tmp_path: Path) -> None:
    run(log, report=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|<script|<link|src=|url\(|@import", page)
    pictures = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(pictures) == 5
    for picture in pictures:
        assert [line.findtext("title") for line in picture.iter("polyline")] == [*NAMES[1:], PRODUCT]


def test_every_method_has_a_colour() -> None:
    assert len(LIGHT) == len(DARK) >= len(NAMES)


def test_baselines_see_the_sessions_the_planes_see(log: Path) -> None:
    events, preset = list(read_log(log)), PRESETS["retail"]
    keeper = PlaceKeeper(None, len(events), discovery=False)
    Backtest(BacktestSettings(), preset, ItemTable(preset), keeper).run(events, lambda result, records: None)
    stream = Stream.of(events, preset.session_gap_ms)
    last: dict[int, int] = {}
    for index, user, session in zip(stream.log_index, stream.users.tolist(), stream.sessions.tolist(), strict=True):
        if keeper.places[index] != NOT_SCORED:
            assert keeper.first_of_session[index] == (last[user] != session)
        last[user] = session
    assert keeper.first_of_session.any()


def test_a_title_cannot_write_html() -> None:
    assert "<script>" not in report_page("<script>", comparison_of([1] * 8, [0] * 8))


def test_the_best_baseline_is_the_best_of_the_last_half() -> None:
    early, late = [1] * 4 + [0] * 4, [0] * 4 + [1] * 4
    comparison = comparison_of([0] * 8, early)
    rivals = (*comparison.methods, Walked("late", np.array(late, np.int8), 1.0))
    assert Comparison(comparison.stream, rivals, 4).best_baseline.name == "late"


def test_a_paired_difference_is_measured_event_by_event() -> None:
    comparison = comparison_of([0] * 4 + [1, 1, 0, 1], [1] * 4 + [0, 1, 1, 0])
    difference = comparison.difference()
    assert difference.mean == 0.25
    assert (difference.low, difference.high) == (-0.5, 1.0)  # users at +1, 0, -1 and +1
    assert comparison.as_dict()["difference_hr@20"] == difference._asdict()


def test_the_interval_is_that_of_users_not_of_events() -> None:
    users = np.repeat(np.arange(20), 50).astype(np.int32)
    gain = np.repeat([1.0, -1.0] * 10, 50)  # a user's events agree: 20 independent values, not 1,000
    clustered = clustered_difference(gain, users)
    independent = clustered_difference(gain, np.arange(1000, dtype=np.int32))
    width = clustered.high - clustered.low
    assert width == pytest.approx(2 * 1.96 / 20**0.5, rel=0.15)
    assert (independent.high - independent.low) * 5 < width
    assert clustered == clustered_difference(gain, users)


def test_strata_look_at_what_came_before() -> None:
    stream = comparison_of([NOT_SCORED] * 8, [NOT_SCORED] * 8, users=2).stream
    place, item, user = ([cut.labels[group] for group in cut.group] for cut in all_strata(stream))
    assert place == ["1", "1", "2", "2", "3\N{EN DASH}5", "3\N{EN DASH}5", "3\N{EN DASH}5", "3\N{EN DASH}5"]
    assert item == ["0", "0", "0", "0", "0", "0", "1\N{EN DASH}4", "1\N{EN DASH}4"]
    assert user == ["1\N{EN DASH}4"] * 8
