"""Twenty events whose outcome is derived by hand.

Parameters are chosen so that the arithmetic fits on paper: no decay, window W = 2, pair weights k^-1, other session
x 0.5, forward and backward pairs alike, K = 3 neighbours, the last H = 2 items vote with k^-1, votes are divided by
P[history item], candidates are weighed by nothing. Factors are learned but not listened to: their first numbers are
drawn from hashes.

====  =========================  ==================================================================================
 #    event                      what it adds
====  =========================  ==================================================================================
0-2   ann views A, B, C          AB 1 | BC 1, AC .5
3-5   bob views A, B, D          AB 1 | DB 1, DA .5
6-8   cat views B, C, A          BC 1 | AC 1, AB .5
9-11  dan views D, A, B          AD 1 | AB 1, BD .5             so far AB 3.5, BC 2, AC 1.5, BD 1.5, AD 1.5
12    ann views D, a visit on    CD 1 * .5 = .5, BD .5 * .5 = .25                             BD 1.75
13    ann views B, same visit    BD 1 (D is of this visit), BC .5 * .5 = .25                  BD 2.75, BC 2.25
14    eve views A                nothing before it
15    eve views C                AC 1                                                         AC 2.5
16    eve views C again          C -> C 1, forward only; AC .5                                AC 3
17    eve hides B                a rule, no counts
18    bob removes A from cart    nothing is learned
19    bob's event 5 comes again  a repeat: counted, skipped
====  =========================  ==================================================================================

Row C holds 3 neighbours: B, A and D (.5). At event 16 C itself comes in, D is the smallest and leaves, C starts at 1.
P: A 5, B 5, C 4, D 3.
"""

from __future__ import annotations

import msgspec
import pytest

from stream_rec.backtest.event_log import LogEvent
from stream_rec.backtest.records import LogRecord
from stream_rec.backtest.replay import Backtest, BacktestSettings, counts
from stream_rec.core.presets import CoocParams, FusionParams, PopularityParams, Preset
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.items import ItemTable

NEVER_MS = 1e18
PRESET = Preset(
    session_gap_ms=100_000,
    cooc=CoocParams(
        decay_ms=NEVER_MS,
        window=2,
        distance_power=1.0,
        backward_weight=1.0,
        neighbours=3,
        history=2,
        history_power=1.0,
        other_session=0.5,
        mass_power=1.0,
        candidate_power=0.0,
        in_session=1.0,
    ),
    popularity=PopularityParams(decay_ms=NEVER_MS),
    fusion=FusionParams(rank_offset=5.0, weights=(1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.05)),
)
LOG = [
    *[("ann", item, "view_item", s) for s, item in enumerate("ABC")],
    *[("bob", item, "view_item", 10 + s) for s, item in enumerate("ABD")],
    *[("cat", item, "view_item", 20 + s) for s, item in enumerate("BCA")],
    *[("dan", item, "view_item", 30 + s) for s, item in enumerate("DAB")],
    ("ann", "D", "view_item", 1000),
    ("ann", "B", "view_item", 1001),
    ("eve", "A", "view_item", 1002),
    ("eve", "C", "view_item", 1003),
    ("eve", "C", "view_item", 1004),
    ("eve", "B", "hide", 1005),
    ("bob", "A", "remove_from_cart", 1006),
    ("bob", "D", "view_item", 1007),
]
REPEATED = {19: "log-5"}


def events() -> list[LogEvent]:
    return [
        LogEvent(index, 1000 * second, user, item, kind, event_id=REPEATED.get(index, f"log-{index}"))
        for index, (user, item, kind, second) in enumerate(LOG)
    ]


@pytest.fixture(scope="module")
def replayed() -> tuple[Backtest, dict[int, list[dict[str, object]]]]:
    """The finished backtest, and the items of the list published after each event."""
    lists: dict[int, list[dict[str, object]]] = {}

    def keep(result: RoundResult, records: list[LogRecord]) -> None:
        for published in result.lists:
            lists[records[-1].event_index] = msgspec.json.decode(published.value or b"")["items"]

    backtest = Backtest(BacktestSettings(), PRESET, ItemTable(PRESET), None)
    backtest.run(events(), keep)
    return backtest, lists


def row(backtest: Backtest, item: str) -> dict[str, float]:
    items = backtest.items
    place = items.intern(item)
    n = items.neighbour_count[place]
    neighbours = items.neighbour_rows[place, :n].tolist()
    weights = items.neighbour_weights[place, :n].tolist()
    return {str(items.ids[neighbour]): weight for neighbour, weight in zip(neighbours, weights, strict=True)}


def test_the_balance_holds(replayed: tuple[Backtest, object]) -> None:
    assert counts(replayed[0].stats) == {"in": 20, "applied": 19, "duplicates": 1, "dead": 0}


def test_pairs_are_as_counted_by_hand(replayed: tuple[Backtest, object]) -> None:
    backtest = replayed[0]
    assert row(backtest, "A") == pytest.approx({"B": 3.5, "C": 3.0, "D": 1.5})
    assert row(backtest, "B") == pytest.approx({"A": 3.5, "C": 2.25, "D": 2.75})
    assert row(backtest, "C") == pytest.approx({"B": 2.25, "A": 3.0, "C": 1.0})
    assert row(backtest, "D") == pytest.approx({"B": 2.75, "A": 1.5, "C": 0.5})


def test_every_positive_event_counts_once(replayed: tuple[Backtest, object]) -> None:
    items = replayed[0].items
    seen = {item: int(items.event_count[items.intern(item)]) for item in "ABCD"}
    assert seen == {"A": 5, "B": 5, "C": 4, "D": 3}


def test_a_list_knows_its_own_event(replayed: tuple[Backtest, dict[int, list[dict[str, object]]]]) -> None:
    """Eve's votes after event 16 come from C twice, 1 + 1/2, and P[C] = 4 with event 16 itself: 3/8 a unit of weight.

    The table has not counted event 16 yet, row C still is {B 2.25, A 2.5, D .5}; what it adds, C -> C 1 and C -> A .5,
    is added besides. So A 3, B 2.25, C 1, D .5 times 3/8. Popularity: A 5, B 5, D 3, C 3 (D came later).
    Fused: cooc 1 / (5 + rank), popularity .05 / (5 + rank). No item is a reason for itself.
    """
    items = replayed[1][16]
    assert [item["item_id"] for item in items] == ["A", "B", "C", "D"]
    for item, by_cooc, by_popularity in zip(items, (1, 2, 3, 4), (1, 2, 4, 3), strict=True):
        assert item["score"] == pytest.approx(
            1 / (5 + by_cooc) + 0.05 / (5 + by_popularity), abs=5e-4
        )  # three decimals are published
    reasons = [["C"], ["C"], [], ["C"]]
    assert [item["reason"] for item in items] == [{"kind": "co_occurrence", "because": why} for why in reasons]


def test_a_hidden_item_leaves_the_list(replayed: tuple[Backtest, dict[int, list[dict[str, object]]]]) -> None:
    """After event 17 row C is {B, A 3, C 1} and D has left it: A first, then C; D third, only by popularity."""
    items = replayed[1][17]
    assert [item["item_id"] for item in items] == ["A", "C", "D"]
    assert items[1]["score"] == pytest.approx(1 / 7 + 0.05 / 7, abs=5e-4)  # three decimals are published
    assert items[2]["score"] == pytest.approx(0.05 / 8, abs=5e-4)  # three decimals are published
    assert items[2]["reason"] == {"kind": "popular", "because": []}


def test_the_ranker_learns_from_every_item_that_could_be_foreseen(replayed: tuple[Backtest, object]) -> None:
    """Of 17 positive events 5 are a user's first: 12 are foreseen from something.

    Ann's B and C and bob's D were nobody's before, so nothing proposed them: 9 examples. Only event 12 begins a later
    visit; event 13 goes on with that visit, so it also teaches how to begin one.
    """
    assert replayed[0].items.ranker.examples.tolist() == [8, 2]


def test_a_repeat_publishes_nothing(replayed: tuple[Backtest, dict[int, list[dict[str, object]]]]) -> None:
    assert 18 in replayed[1]
    assert 19 not in replayed[1]
