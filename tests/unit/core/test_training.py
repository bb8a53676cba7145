"""What the rankers learn from, and when the learned one serves."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from stream_rec.backtest.event_log import LogEvent
from stream_rec.backtest.replay import Backtest, BacktestSettings
from stream_rec.core.deltas import decode
from stream_rec.core.features import CONTEXTS, FEATURES
from stream_rec.core.gradients import CONTEXT_ALONE, LearnedPart, decode_part
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.looks import FreshLook, ServedLook
from stream_rec.core.presets import FactorParams, Preset, RankerParams
from stream_rec.core.publishing import view_of
from stream_rec.core.ranking.contest import ENOUGH_LOOKS, Contest
from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.ranking.linear import listwise_gradient
from stream_rec.core.recommend import Recommender
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.marks import HIDDEN
from stream_rec.core.state.user import UserState
from stream_rec.core.state.user_store import MemoryUserStore
from stream_rec.core.training import Sampling
from stream_rec.core.types import NO_ROWS, UserView
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from tests.twins.events import event_record
from tests.twins.small_shop import dump

CONTINUE, VISIT = CONTEXTS.index("continue"), CONTEXTS.index("visit")
VISIT_ALONE = VISIT | CONTEXT_ALONE
SMALL = Preset(factors=FactorParams(dimensions=4, negatives=4), ranker=RankerParams(visit_examples=2))


class Shop:
    """One partition and one shard; every event is a round of its own, and counted before the next one."""

    def __init__(self, preset: Preset = SMALL, **settings: int) -> None:
        self.preset = preset
        self.items, self.store = ItemTable(preset), MemoryUserStore()
        self.users = UserPlane(PlaneSettings(partitions=1, **{"fresh_every": 1, **settings}), preset, self.items, 1)
        self.plane = ItemPlane(self.items, 1)
        self.plane.assign(0, None)
        self.offset = 0

    def send(self, user: str, item: str, session: str, **changes: object) -> RoundResult:
        self.offset += 1
        record = event_record(self.offset, user, item, 1000 * self.offset, session_id=session, **changes)
        result = self.users.process({0: [record]}, {0: self.store}, None)
        self.store.write(result.puts.get(0, []), 0)
        for frame in result.frames.values():
            self.plane.apply(0, frame, self.plane.next_offset(0))
        return result

    def weights_taught(self, user: str, item: str, session: str) -> list[int]:
        """Which weights the event taught, `CONTEXT_ALONE` added where the shared ones were left alone."""
        part = learned_part(self.send(user, item, session))
        return [] if part is None else part.weights.tolist()

    def stock(self, items: Iterable[str]) -> None:
        for number, item in enumerate(items):
            self.send(f"visitor-{number}", item, "v")

    def state(self, user: str) -> UserState:
        return self.users.cache.load(0, [user.encode()], self.store)[user.encode()].state

    def evidence(self, user: UserView) -> Evidence:
        return Recommender(self.preset, self.items, 20).look(user, NO_ROWS).evidence


def learned_part(result: RoundResult) -> LearnedPart | None:
    learned = decode(result.frames[0]).learned
    return decode_part(learned) if learned else None


def test_a_users_first_event_is_foreseen_from_nothing_and_teaches_nothing() -> None:
    shop = Shop()
    shop.stock("ABC")
    assert learned_part(shop.send("ann", "A", "1")) is None


def test_the_next_one_of_a_first_session_teaches_how_to_go_on() -> None:
    """There was no history before the session to foresee it from at the visit."""
    shop = Shop()
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    assert shop.weights_taught("ann", "B", "1") == [CONTINUE]


def test_the_first_event_of_a_later_visit_teaches_how_to_begin() -> None:
    shop = Shop()
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    assert shop.weights_taught("ann", "B", "2") == [VISIT]


def test_what_follows_in_the_visit_teaches_both_but_not_the_shared_weights_twice() -> None:
    shop = Shop()
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    shop.send("ann", "B", "2")
    assert shop.weights_taught("ann", "C", "2") == [CONTINUE, VISIT_ALONE]


def test_of_a_long_visit_only_the_first_items_teach_how_to_begin() -> None:
    shop = Shop()
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    taught = [shop.weights_taught("ann", item, "2") for item in "BCAB"]
    assert taught == [[VISIT], [CONTINUE, VISIT_ALONE], [CONTINUE], [CONTINUE]]


def test_an_item_nobody_proposed_teaches_the_ranker_nothing() -> None:
    shop = Shop()
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    part = learned_part(shop.send("ann", "new", "1"))
    assert part is not None
    assert (part.weights.tolist(), part.n_targets.tolist() != []) == ([], True)  # but the factors


def test_an_event_that_is_not_sampled_teaches_the_factors_only() -> None:
    shop = Shop(fresh_every=0)
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    part = learned_part(shop.send("ann", "B", "1"))
    assert part is not None
    assert (len(part.weights), len(part.n_targets)) == (0, 1)


@pytest.mark.parametrize("kind", ["hide", "remove_from_cart", "dislike"])
def test_what_is_not_positive_teaches_nothing(kind: str) -> None:
    shop = Shop()
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    before = dump(shop.items)
    assert shop.send("ann", "B", "1", event=kind).frames == {}
    assert dump(shop.items) == before


def test_an_example_is_the_listwise_gradient_of_what_was_known_before_the_event() -> None:
    shop = Shop()
    shop.stock("ABCD")
    for item, session in (("A", "1"), ("B", "1"), ("C", "2")):
        shop.send("ann", item, session)
    state, weights = shop.state("ann"), shop.items.ranker.serving.copy()
    now_ms = 1000 * (shop.offset + 1)
    going_on = view_of(state, state.session, now_ms, shop.items)
    first = int(np.searchsorted(going_on.sessions, going_on.session))
    beginning = going_on._replace(
        rows=going_on.rows[:first], sessions=going_on.sessions[:first], times_ms=going_on.times_ms[:first]
    )
    row, expected = shop.items.intern("D"), []
    for user, context in ((going_on, CONTINUE), (beginning, VISIT)):
        evidence = shop.evidence(user)
        target = evidence.rows.tolist().index(row)
        expected.append(listwise_gradient(evidence.features, weights[context], target))
    part = learned_part(shop.send("ann", "D", "2"))
    assert part is not None
    assert part.weights.tolist() == [CONTINUE, VISIT_ALONE]
    np.testing.assert_array_equal(part.examples, np.stack(expected))
    assert np.abs(part.examples[0] - part.examples[1]).max() > 0.01


def test_the_weights_change_only_when_the_item_plane_counts_the_event() -> None:
    shop = Shop()
    shop.stock("ABC")
    shop.send("ann", "A", "1")
    before = shop.items.ranker.theta.copy()
    sent, shop.plane.apply = shop.plane.apply, lambda *frame: 0  # type: ignore[method-assign]
    result = shop.send("ann", "B", "1")
    np.testing.assert_array_equal(shop.items.ranker.theta, before)
    sent(0, result.frames[0], shop.plane.next_offset(0))
    assert shop.items.ranker.examples.tolist() == [1, 0]
    assert (shop.items.ranker.theta[0] != before[0]).any()


@pytest.mark.parametrize("target", [0, 3, 11])
def test_the_listwise_gradient_is_the_slope_of_the_loss(target: int) -> None:
    rng = np.random.default_rng(target)
    features = rng.normal(size=(len(FEATURES), 12)).astype(np.float32)
    theta = rng.normal(0, 0.3, len(FEATURES)).astype(np.float32)

    def loss(weights: np.ndarray) -> float:
        scores = weights @ features.astype(float)
        return float(np.log(np.exp(scores).sum()) - scores[target])

    found, h = listwise_gradient(features, theta, target), 1e-4
    for f, step in enumerate(np.eye(len(FEATURES)) * h):
        slope = (loss(theta + step) - loss(theta - step)) / (2 * h)
        assert found[f] == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_a_list_that_is_certain_and_right_has_no_slope_and_large_scores_do_not_overflow() -> None:
    features = np.zeros((len(FEATURES), 3), np.float32)
    features[0] = (1.0, 0.0, 0.0)
    theta = np.zeros(len(FEATURES), np.float32)
    theta[0] = 1e4
    assert not listwise_gradient(features, theta, 0).any()
    assert listwise_gradient(features, theta, 1)[0] == 1.0


def test_until_there_are_enough_looks_the_trained_ranker_serves() -> None:
    contest = Contest()
    for _ in range(ENOUGH_LOOKS - 1):
        contest.add(learned_place=0, plain_place=1)
    assert (contest.prefers_learned(trained=True), contest.prefers_learned(trained=False)) == (True, False)
    contest.add(learned_place=0, plain_place=1)
    assert not contest.prefers_learned(trained=True)


def test_the_averages_are_of_reciprocal_ranks_and_a_draw_goes_to_what_learns() -> None:
    contest = Contest()
    for _ in range(ENOUGH_LOOKS // 2):
        contest.add(learned_place=0, plain_place=2)
        contest.add(learned_place=4, plain_place=0)
    assert (contest.learned, contest.plain) == (pytest.approx(0.125), pytest.approx(0.25))
    even = Contest()
    for _ in range(ENOUGH_LOOKS):
        even.add(learned_place=3, plain_place=3)
    assert even.prefers_learned(trained=False)


def test_a_ranker_that_was_better_long_ago_stops_serving() -> None:
    contest = Contest()
    for _ in range(20_000):
        contest.add(learned_place=1, plain_place=0)
    for _ in range(5_000):
        contest.add(learned_place=0, plain_place=1)
    assert not contest.prefers_learned(trained=True)


def test_about_one_in_n_events_is_sampled_and_always_the_same_ones() -> None:
    assert [Sampling(4).takes(h) for h in (0, 1, 4, 6)] == [True, False, True, False]
    assert not any(Sampling(0).takes(h) for h in range(10))


class Recording:
    """An observer that keeps what would have been served, and where items that go on with a session stood."""

    def __init__(self) -> None:
        self.fresh_lists: list[tuple[list[int], list[int], bytes]] = []
        self.places_of_next: list[int] = []

    def served(self, look: ServedLook) -> None:
        """Nothing to keep: those are the lists published before."""

    def fresh(self, look: FreshLook) -> None:
        orders = look.orders
        self.fresh_lists.append((look.served.tolist(), orders.linear.tolist(), orders.evidence.features.tobytes()))
        if not look.first_of_session:
            self.places_of_next.append([*orders.linear.tolist(), look.item_row].index(look.item_row) + 1)


def planted(n: int, seed: int, leaders: int = 6) -> list[LogEvent]:
    """Visits of two events: any item A of six, and the one that always follows it; 4 users, a day between visits."""
    rng = np.random.default_rng(seed)
    events = []
    for number in range(n // 2):
        user, pair = f"user-{number % 4}", int(rng.integers(leaders))
        at_ms = number * 86_400_000
        for later, item in enumerate((f"A{pair}", f"B{pair}")):
            events.append(LogEvent(len(events), at_ms + 1000 * later, user, item, "view_item", session_id=str(number)))
    return events


def run(events: list[LogEvent], preset: Preset) -> Recording:
    seen = Recording()
    Backtest(BacktestSettings(cascade=False), preset, ItemTable(preset), seen).run(events, lambda *_: None)
    return seen


def test_an_item_that_always_follows_another_comes_first_though_the_first_weights_put_it_last() -> None:
    backwards = replace(SMALL, ranker=RankerParams(learning_rate=0.05, initial=-3.0))
    places = run(planted(400, 1), backwards).places_of_next
    assert np.mean(places[:10]) > 3
    assert set(places[-100:]) == {1}


def test_the_future_does_not_leak_into_earlier_lists() -> None:
    """Another order of what is to come changes no list before it, nor any number it was made from."""
    log, known = planted(160, 2), 100
    order = np.random.default_rng(3).permutation(np.arange(known, len(log)))
    others = [
        event._replace(index=index, timestamp_ms=log[index].timestamp_ms)
        for index, event in enumerate([*log[:known], *(log[place] for place in order)])
    ]
    first, second = run(log, SMALL).fresh_lists, run(others, SMALL).fresh_lists
    before = known - 4  # every user's first event is foreseen from nothing
    assert first[:before] == second[:before]
    assert first[before:] != second[before:]


def test_the_list_an_event_is_held_against_does_not_know_the_event() -> None:
    log = planted(60, 2)
    other = [*log[:-1], log[-1]._replace(item_id="B-new")]
    assert run(log, SMALL).fresh_lists == run(other, SMALL).fresh_lists


def test_looking_and_ranking_change_no_byte_of_user_or_items() -> None:
    shop = Shop()
    shop.stock("ABCD")
    for item, session in (("A", "1"), ("B", "1"), ("C", "2")):
        shop.send("ann", item, session)
    shop.send("ann", "B", "2", event="hide")
    state = shop.state("ann")
    state.marks.add(12345, HIDDEN, state.session)  # an item nobody knows here
    before = pickle.dumps(state), dump(shop.items), shop.items.n
    publisher, user = shop.users._publisher, view_of(state, state.session, 10**6, shop.items)
    publisher.lists_of(publisher.look(state, user))
    publisher.evidence(state, user._replace(rows=user.rows[:1], sessions=user.sessions[:1], times_ms=user.times_ms[:1]))
    publisher.popular(state)
    assert (pickle.dumps(state), dump(shop.items), shop.items.n) == before


def test_gradients_that_are_not_finite_are_dropped_and_counted() -> None:
    """Factors beyond what a frame's float16 holds; the weights' examples of the same event are sound."""
    shop = Shop()
    shop.stock("ABC")
    for item, session in (("A", "1"), ("B", "2")):
        shop.send("ann", item, session)
    shop.items.factor_arrays().into[:] = 1e30
    result = shop.send("ann", "C", "2")
    assert (result.stats.applied, result.stats.gradients_dropped) == (1, 1)
    part = learned_part(result)
    assert part is not None
    assert (len(part.n_targets), part.weights.tolist()) == (0, [CONTINUE, VISIT_ALONE])


def test_reading_never_creates_state() -> None:
    """A user whose every event is refused or repeated leaves nothing behind, nor does a sweep over nobody."""
    shop = Shop()
    shop.stock("ABC")
    items, stored = dump(shop.items), dict(shop.store.scan(b""))
    refused = shop.send("nobody", "A", "1", timestamp_ms=-1)
    assert (refused.stats.dead, refused.puts, refused.frames, refused.lists) == (1, {}, {}, [])
    repeated = event_record(1, "visitor-0", "A", 1000)
    again = shop.users.process({0: [repeated]}, {0: shop.store}, None)
    assert (again.stats.duplicates, again.puts, again.frames, again.lists) == (1, {}, {}, [])
    shop.users.sweep(0, MemoryUserStore(), 0, None, 10)
    assert shop.users.cache.load(0, [b"stranger"], shop.store)[b"stranger"].state.n_total == 0
    assert (dump(shop.items), dict(shop.store.scan(b""))) == (items, stored)
