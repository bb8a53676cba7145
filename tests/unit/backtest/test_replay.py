"""A backtest's rounds, what it freezes and what it reports. It has one partition and one shard, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rec.backtest.event_log import LogEvent, to_event_json
from stream_rec.backtest.records import LogRecord
from stream_rec.backtest.replay import SHARD, Backtest, BacktestSettings
from stream_rec.backtest.run import BacktestRequest, run_backtest
from stream_rec.core.features import CONTEXTS, FEATURES, SECOND_FEATURES
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.looks import FreshLook, ServedLook
from stream_rec.core.presets import DEFAULT_PRESET, PRESETS, SOURCE_NAMES, FactorParams, Preset
from stream_rec.core.ranking.forest_codec import encode_forest
from stream_rec.core.ranking.linear import PINNED, SOURCE_OF_FEATURE
from stream_rec.core.ranking.trees import Forest
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import TRAINED_EXAMPLES
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.types import Float32Array
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from stream_rec.shop import Shop
from tests.twins.small_shop import dump

SMALL = Preset(factors=FactorParams(dimensions=4, negatives=4))


def shop_log(events: int, users: int = 10, items: int = 100) -> list[LogEvent]:
    return [
        LogEvent(index, e.timestamp_ms, e.user_id, e.item_id, e.event)
        for index, e in enumerate(Shop(users=users, items=items).events(events))
    ]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = [f"{e.timestamp_ms},{e.user_id},{e.item_id},{e.event}" for e in shop_log(300)]
    (tmp_path / "log.csv").write_text("\n".join(["timestamp_ms,user_id,item_id,event", *rows]))
    return tmp_path / "log.csv"


def run(log: Path, **options: Any) -> dict[str, Any]:
    return run_backtest(BacktestRequest(log, **options), lambda values: values)


class Looks:
    """Keeps every look, with the weights that ordered it."""

    def __init__(self, items: ItemTable) -> None:
        self._items = items
        self.fresh_looks: list[FreshLook] = []
        self.weights: list[Float32Array] = []

    def served(self, look: ServedLook) -> None:
        """Those are the lists published before."""

    def fresh(self, look: FreshLook) -> None:
        self.fresh_looks.append(look)
        context = "visit" if look.first_of_session else "continue"
        self.weights.append(self._items.ranker.serving[CONTEXTS.index(context)].copy())


def no_lists(*_: object) -> None:
    pass


# --explain


def explained(log: Path, folder: Path, **options: Any) -> list[dict[str, Any]]:
    run(log, explain=folder / "why", **options)
    return [json.loads(line) for line in (folder / "why").read_text().splitlines()]


def test_a_line_per_scored_event_names_every_source_of_every_item(log: Path, tmp_path: Path) -> None:
    lines = explained(log, tmp_path)
    assert len(lines) == run(log)["scored"] > 100
    assert {line["context"] for line in lines} == set(CONTEXTS)
    assert all(a["event_index"] < b["event_index"] for a, b in pairwise(lines))
    assert max(len(line["items"]) for line in lines) == 20
    for line in lines:
        assert all(set(item) == {"item_id", "score", "parts"} for item in line["items"])
        assert all(list(item["parts"]) == [*SOURCE_NAMES, "other"] for item in line["items"])


def test_the_parts_are_what_the_features_of_each_source_add_to_the_score(log: Path, tmp_path: Path) -> None:
    """What is left of the score are features that are no source's, as an item's text."""
    lines = explained(log, tmp_path)
    preset = PRESETS[DEFAULT_PRESET]
    items = ItemTable(preset)
    looks = Looks(items)
    Backtest(BacktestSettings(), preset, items, looks).run(shop_log(300), no_lists)
    assert len(lines) == len(looks.fresh_looks)
    rest = 0.0
    for line, look, theta in zip(lines, looks.fresh_looks, looks.weights, strict=True):
        rows = look.served.tolist()
        assert [item["item_id"] for item in line["items"]] == [items.ids[row] for row in rows]
        places = [look.orders.evidence.rows.tolist().index(row) for row in rows]
        added = theta[:, None] * look.orders.evidence.features[:, places]
        of_sources = added[SOURCE_OF_FEATURE >= 0].sum(axis=0)
        rest = max(rest, float(np.abs(added[SOURCE_OF_FEATURE < 0].sum(axis=0)).max(initial=0.0)))
        for item, share, score in zip(line["items"], of_sources, added.sum(axis=0), strict=True):
            assert sum(item["parts"][name] for name in SOURCE_NAMES) == pytest.approx(share, abs=5e-4)
            assert sum(item["parts"].values()) == pytest.approx(item["score"], abs=5e-4)
            assert item["score"] == pytest.approx(score, abs=5e-4)
    assert rest > 0.01


def test_pinned_parts_add_up_to_the_score_and_order_the_list(log: Path, tmp_path: Path) -> None:
    lines = explained(log, tmp_path, pin=(("cooc", 0.7), ("popularity", 0.2)))
    for line in lines:
        scores = [item["score"] for item in line["items"]]
        assert scores == sorted(scores, reverse=True)
        for item in line["items"]:
            assert sum(item["parts"].values()) == pytest.approx(item["score"], abs=2e-4)
            assert {name for name, part in item["parts"].items() if part} <= {"cooc", "popularity"}
    assert any(item["parts"]["cooc"] > 0.5 for line in lines for item in line["items"])
    assert set(PINNED) == set(SOURCE_NAMES)


def test_the_figures_hold_the_learned_weights_by_context_and_feature(log: Path) -> None:
    weights = run(log)["weights"]
    assert list(weights) == list(CONTEXTS)
    assert all(list(of) == list(FEATURES) for of in weights.values())
    assert weights["continue"] != weights["visit"]


# Rounds


def rounds_of(settings: BacktestSettings, events: list[LogEvent]) -> list[tuple[RoundResult, list[LogRecord]]]:
    found: list[tuple[RoundResult, list[LogRecord]]] = []
    Backtest(settings, SMALL, ItemTable(SMALL), None).run(
        events, lambda result, records: found.append((result, records))
    )
    return found


def at(*times_ms: int) -> list[LogEvent]:
    """Two users in turn."""
    return [LogEvent(n, time_ms, f"user-{n % 2}", f"item-{n % 5}", "view_item") for n, time_ms in enumerate(times_ms)]


def test_batch_ms_makes_a_round_of_all_events_of_so_much_event_time() -> None:
    rounds = rounds_of(BacktestSettings(batch_ms=1000, batch=2), at(0, 1, 500, 999, 1000, 5000, 5001, 7999, 8000))
    assert [[record.timestamp for record in records] for _, records in rounds] == [
        [0, 1, 500, 999],
        [1000],
        [5000, 5001],
        [7999],
        [8000],
    ]
    assert [len(result.lists) for result, _ in rounds] == [2, 1, 2, 1, 1]  # one per user who did something


def test_without_it_a_round_is_so_many_events() -> None:
    rounds = rounds_of(BacktestSettings(batch=4), at(0, 1, 500, 999, 1000, 5000, 5001, 7999, 8000))
    assert [len(records) for _, records in rounds] == [4, 4, 1]


def test_batch_ms_reaches_the_backtest_from_its_option(log: Path, tmp_path: Path) -> None:
    users_by_hour = {(e.timestamp_ms // 3_600_000, e.user_id) for e in shop_log(300)}
    run(log, batch_ms=3_600_000, lists=tmp_path / "lists")
    lines = (tmp_path / "lists").read_text().splitlines()
    assert len(lines) == len(users_by_hour) < 300


# Freezing


def stored_forest() -> bytes:
    rng = np.random.default_rng(1)
    splits = rng.integers(0, len(SECOND_FEATURES), (3, 6)).astype(np.uint8)
    leaves = rng.normal(0, 0.1, (3, 64)).astype(np.float32)
    return encode_forest(Forest(splits, np.ones((3, 6), np.float32), leaves), SECOND_FEATURES)


def what_learns(backtest: Backtest, forest: bytes | None) -> dict[str, bytes]:
    """The bytes of everything a frozen backtest may not change."""
    return dump(backtest.items) | {"forest": forest or b""}


@pytest.mark.parametrize("frozen", [True, False])
def test_freezing_stops_factors_weights_and_forest_and_not_the_users(frozen: bool) -> None:
    events = shop_log(400, users=6, items=12)
    items = ItemTable(SMALL)
    looks = Looks(items)
    backtest = Backtest(BacktestSettings(replica_lag_events=3), SMALL, items, None)
    cascade = backtest.cascade
    assert cascade is not None
    cascade.load(stored_forest())
    backtest.run(events[:300], no_lists)
    assert cascade.state_bytes() != stored_forest()  # its leaves learn while it serves
    if frozen:
        backtest.freeze(looks)
    before, users = what_learns(backtest, cascade.state_bytes()), dict(backtest.store.scan(b""))
    backtest.run(events[300:], no_lists)
    after = what_learns(backtest, cascade.state_bytes())
    changed = {name for name in before if before[name] != after[name]}
    if frozen:
        assert changed == set()
        assert len(looks.fresh_looks) > 50
        assert any(look.orders.second is not None for look in looks.fresh_looks)
    else:
        assert {"forest", "ranker", "factor_in", "factor_out"} <= changed
    assert dict(backtest.store.scan(b"")) != users
    assert backtest.stats.applied == len(events)


def test_a_frozen_second_stage_goes_on_ranking() -> None:
    """Else the published protocol would measure the first stage alone."""
    items = ItemTable(SMALL)
    items.ranker.examples[0] = TRAINED_EXAMPLES
    looks = Looks(items)
    backtest = Backtest(BacktestSettings(), SMALL, items, None)
    assert backtest.cascade is not None
    backtest.cascade.load(stored_forest())
    events = shop_log(400, users=6, items=12)
    backtest.run(events[:300], no_lists)
    items.ranker.examples[0] = TRAINED_EXAMPLES
    backtest.freeze(looks)
    backtest.run(events[300:], no_lists)
    orders = [(look.served.tolist(), look.orders.linear.tolist()) for look in looks.fresh_looks[1:]]
    assert any(served != linear for served, linear in orders)
    assert all(sorted(served) == sorted(linear) for served, linear in orders)


# The second stage switched off


@pytest.mark.parametrize("cascade", [True, False])
def test_without_the_cascade_the_linear_order_is_served(cascade: bool) -> None:
    items = ItemTable(SMALL)
    items.ranker.examples[0] = TRAINED_EXAMPLES
    looks = Looks(items)
    backtest = Backtest(BacktestSettings(cascade=cascade), SMALL, items, looks)
    if backtest.cascade is not None:
        backtest.cascade.load(stored_forest())
    backtest.run(shop_log(150, users=6, items=12), no_lists)
    assert (backtest.cascade is not None) == cascade
    after = looks.fresh_looks[1:]  # the first look says who serves
    assert all((look.orders.second is None) != cascade for look in after if len(look.orders.linear))
    assert all(look.served.tolist() == look.orders.linear.tolist() for look in after) != cascade


def test_pinned_weights_leave_the_cascade_out() -> None:
    pinned = BacktestSettings(pinned=(("cooc", 1.0),))
    assert Backtest(pinned, SMALL, ItemTable(SMALL), None).cascade is None


def test_the_figures_say_how_the_second_stage_did(log: Path) -> None:
    assert run(log, cascade=False)["second_stage"] is None
    figures = run(log)["second_stage"]
    assert (figures["live"], figures["trials"]) == (False, 0)
    assert 0.0 < figures["linear"] < 1.0


# Gradients


def records_of(events: Iterable[LogEvent]) -> list[LogRecord]:
    return [
        LogRecord(e.index, "clicks", 0, e.index, e.timestamp_ms, e.user_id.encode(), to_event_json(e)) for e in events
    ]


def gradient_bytes(n_shards: int, events: list[LogEvent], batch: int) -> float:
    """Bytes of gradients per event of a plane over so many shards; every one is counted by its item plane."""
    items, store = ItemTable(PRESETS["retail"]), MemoryUserStore()
    users = UserPlane(PlaneSettings(partitions=1, fresh_every=4), PRESETS["retail"], items, n_shards)
    plane = ItemPlane(items, n_shards)
    for shard in range(n_shards):
        plane.assign(shard, None)
    total = applied = 0
    for first in range(0, len(events), batch):
        result = users.process({0: records_of(events[first : first + batch])}, {0: store}, None)
        store.write(result.puts.get(0, []), 0)
        for shard, frame in result.frames.items():
            plane.apply(shard, frame, plane.next_offset(shard))
        total += result.stats.gradient_bytes
        applied += result.stats.applied
    return total / applied


def test_gradients_of_a_round_of_32_cost_less_than_2048_bytes_an_event(log: Path) -> None:
    """Of one shard, as every backtest; a round's factors are summed per item before they are sent."""
    one, alone = run(log, batch=32, every=4), run(log, batch=1, every=4)
    assert 0 < one["gradient_bytes_per_event"] < 2_048
    assert one["gradient_bytes_per_event"] < alone["gradient_bytes_per_event"]


def test_nor_do_they_over_four_shards() -> None:
    assert 0 < gradient_bytes(4, shop_log(640, users=40, items=200), 32) < 2_048


def test_a_backtest_has_one_shard() -> None:
    assert SHARD == 0
    frames = [result.frames for result, _ in rounds_of(BacktestSettings(batch=8), shop_log(64))]
    assert {shard for frame in frames for shard in frame} == {SHARD}


def test_lists_of_a_round_are_one_per_user_and_of_its_last_event(log: Path, tmp_path: Path) -> None:
    run(log, batch=50, lists=tmp_path / "lists")
    lines = [json.loads(line) for line in (tmp_path / "lists").read_text().splitlines()]
    for first in range(0, 300, 50):
        users = [line["user_id"] for line in lines if first <= line["event_index"] < first + 50]
        assert len(users) == len(set(users)) > 0
