"""The published protocol through the planes: learn, freeze, predict every next item of the test sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_rec.backtest.event_log import LogEvent
from stream_rec.backtest.records import LogRecord
from stream_rec.backtest.replay import Backtest, BacktestSettings
from stream_rec.backtest.report import tables_of
from stream_rec.backtest.run import BacktestRequest, run_backtest
from stream_rec.core.looks import FreshLook, ServedLook
from stream_rec.core.presets import PRESETS
from stream_rec.core.state.items import ItemTable
from stream_rec.errors import ConfigError

HEADER = "SessionId\tItemId\tTime\n"
TRAIN = [(session, item, 100 * session + second) for session in range(30) for second, item in enumerate("ABC")]
TEST = [(90, "A", 9001), (90, "B", 9002), (90, "C", 9003), (91, "B", 9001), (91, "C", 9005), (92, "A", 9000)]


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    for name, rows in (("train", TRAIN), ("test", reversed(TEST))):  # the published files are not in order of time
        lines = [f"{session}\t{item}\t{1_600_000_000 + second}.0\n" for session, item, second in rows]
        (tmp_path / name).write_text(HEADER + "".join(lines))
    return tmp_path / "train", tmp_path / "test"


def run(train: Path, test: Path, **options: Any) -> dict[str, Any]:
    return run_backtest(BacktestRequest(train, preset="clicks", test=test, **options), lambda values: values)


def test_every_prefix_of_a_session_predicts_its_next_item(logs: tuple[Path, Path]) -> None:
    figures = run(*logs, compare=True)
    assert (figures["train"], figures["test"]) == (len(TRAIN), len(TEST))
    by_name = {method["name"]: method for method in figures["methods"]}
    assert {method["n"] for method in by_name.values()} == {3}  # A-B, AB-C, B-C
    for name in ("stream-rec", "vmis-knn", "markov"):
        # After B, the item that followed (C) and the one before it (A) are both near; a list of two holds either.
        assert by_name[name]["hr@20"] == 1.0
        assert by_name[name]["mrr@20"] >= 0.5
    assert by_name["markov"]["mrr@20"] == 1.0
    assert tables_of(figures)[0].row_count == len(by_name)


@pytest.mark.parametrize(
    "option", [{"repeats": "excluded"}, {"limit": 5}, {"report": Path("r")}, {"replica_lag_events": 1}]
)
def test_options_that_do_not_go_with_it_are_refused(logs: tuple[Path, Path], option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--test: need a backtest without"):
        run(*logs, **option)


def test_a_test_log_without_sessions_is_refused(logs: tuple[Path, Path]) -> None:
    train, test = logs
    test.write_text(HEADER + "90\tA\t1600009001\n")
    with pytest.raises(ConfigError, match="need a session of two events or more"):
        run(train, test)


class Looks:
    def __init__(self) -> None:
        self.fresh_looks: list[FreshLook] = []

    def served(self, look: ServedLook) -> None:
        pass

    def fresh(self, look: FreshLook) -> None:
        self.fresh_looks.append(look)


@pytest.mark.parametrize("lag", [0, 7])
def test_freezing_stops_the_items_and_not_the_users(lag: int) -> None:
    preset = PRESETS["clicks"]
    items, looks = ItemTable(preset), Looks()
    settings = BacktestSettings(exclude="current", fresh_every=0, replica_lag_events=lag)
    backtest = Backtest(settings, preset, items, None)
    log = [LogEvent(n, n, user, item, "view_item") for n, (user, item) in enumerate([("ann", "A"), ("ann", "B")] * 5)]
    backtest.run(log, no_lists)
    backtest.freeze(looks)
    assert items.event_count[:2].tolist() == [5, 5]  # also what was still on its way
    more = [("ann", "B"), ("bob", "A"), ("bob", "B")]
    backtest.run([LogEvent(10 + n, 10 + n, user, item, "view_item") for n, (user, item) in enumerate(more)], no_lists)
    assert items.event_count[:2].tolist() == [5, 5]
    records = [look.record for look in looks.fresh_looks]
    assert [record.event_index for record in records if isinstance(record, LogRecord)] == [10, 12]
    # ann's last item was B, bob's A: it is not listed for them
    assert [look.served.tolist() for look in looks.fresh_looks] == [[0], [1]]


def no_lists(*_: object) -> None:
    pass
