"""For which moment a list is made, what is kept out of it, and who orders it."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

from stream_rec.core.features import FEATURES, SECOND_FEATURES
from stream_rec.core.lists import REASON_KINDS, ListEncoder
from stream_rec.core.presets import DAY_MS, HOUR_MS, SOURCE_NAMES
from stream_rec.core.publishing import Publisher
from stream_rec.core.ranking.evidence import ABSENT
from stream_rec.core.ranking.linear import PINNED, contributions
from stream_rec.core.ranking.list_kernels import context_of
from stream_rec.core.ranking.second_stage import SecondStage
from stream_rec.core.recommend import Recommender
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.ranker_weights import TRAINED_EXAMPLES
from stream_rec.core.types import NO_ROWS, Cold, UserView
from tests.twins.plane_shop import SMALL, START_MS, Backwards, PlaneShop, listed
from tests.twins.small_shop import small_shop, some_user

GAP_COLUMN = SECOND_FEATURES.index("session.gap")


def publisher() -> Publisher:
    items = small_shop(1)
    return Publisher(items, Recommender(items.preset, items, 20), ListEncoder(items, SOURCE_NAMES, {}), "nothing")


def test_nothing_is_usual_before_the_first_pause() -> None:
    assert publisher().usual_gap_ms == 0


def test_the_usual_gap_is_the_geometric_mean_of_the_pauses() -> None:
    """One lunch break does not make the usual pause an hour."""
    gaps, at = [1_000, 10_000, 100_000, HOUR_MS], publisher()
    for gap_ms in gaps:
        at.note_gap(gap_ms)
    assert at.usual_gap_ms == pytest.approx(exp(sum(log(1 + gap) for gap in gaps) / len(gaps)) - 1, abs=1)
    assert at.usual_gap_ms < sum(gaps) / len(gaps) / 10


def test_a_late_event_came_after_no_pause() -> None:
    at, other = publisher(), publisher()
    for gap_ms, instead_ms in ((5_000, 5_000), (-7_000, 0)):
        at.note_gap(gap_ms)
        other.note_gap(instead_ms)
    assert at.usual_gap_ms == other.usual_gap_ms > 0


def test_pauses_of_long_ago_are_forgotten() -> None:
    """After 20,000 others a share of e^-4 is left of what was usual before."""
    at = publisher()
    for gap_ms, times in ((1_000, 5_000), (60_000, 20_000)):
        for _ in range(times):
            at.note_gap(gap_ms)
    assert at.usual_gap_ms == pytest.approx(60_000 * (1 / 60) ** exp(-4), rel=0.01)


class Shop(PlaneShop):
    """Learned weights serve from the first list on, and whom each list was made for is kept."""

    def __init__(self, second: SecondStage | None = None, **settings: object) -> None:
        super().__init__(SMALL, second, **({"fresh_every": 1} | settings))
        self.items.ranker.examples[0] = TRAINED_EXAMPLES
        self.users._publisher.serve_linear(True)
        self.made_for: list[UserView] = []
        recommender = self.users._publisher._recommender
        recommend = recommender.recommend

        def noted(user: UserView, excluded: np.ndarray, thorough: bool, cold: Cold) -> object:
            if len(user.rows):  # not the visitor nobody knows
                self.made_for.append(user)
            return recommend(user, excluded, thorough, cold)

        recommender.recommend = noted  # type: ignore[method-assign,assignment]

    def usual_gap_ms(self) -> int:
        return self.users._publisher.usual_gap_ms


def test_a_list_after_an_event_is_made_for_the_moment_the_next_one_is_usual() -> None:
    shop = Shop()
    shop.view("ann", "ABAB", 0, every_ms=30_000)
    assert shop.usual_gap_ms() == pytest.approx(30_000, abs=1)
    assert shop.made_for[-1].now_ms == START_MS + 90_000 + shop.usual_gap_ms()
    shop.view("bob", "A", 200_000)  # another user's pauses are usual for all
    assert shop.made_for[-1].now_ms == START_MS + 200_000 + shop.usual_gap_ms()


def test_it_is_the_users_time_that_counts_and_not_a_late_events() -> None:
    shop = Shop()
    shop.view("ann", "ABAB", 0, every_ms=30_000)
    shop.view("ann", "A", 40_000)
    assert shop.made_for[-1].now_ms == START_MS + 90_000 + shop.usual_gap_ms()


def test_only_pauses_within_sessions_are_usual() -> None:
    shop = Shop()
    shop.view("ann", "ABAB", 0, every_ms=30_000)
    before = shop.usual_gap_ms()
    shop.view("ann", "A", DAY_MS)
    assert shop.usual_gap_ms() == before


def test_the_second_stage_sees_that_moment_too() -> None:
    """How long ago the last event will have been is one of its figures."""
    second = Backwards()
    shop = Shop(second)
    shop.view("ann", "ABAB", 0, every_ms=30_000)
    seen = second.ranked[-1].features[:, GAP_COLUMN]
    np.testing.assert_allclose(seen, log(1 + shop.usual_gap_ms() / 1000), rtol=1e-6)


def test_a_visit_list_is_made_for_its_deadline_however_late_the_sweep() -> None:
    shop = Shop(idle_user_ms=30 * DAY_MS, refresh_ms=7 * DAY_MS)
    shop.view("ann", "ABAB", 0, every_ms=30_000)
    (_,) = shop.sweep(3 * DAY_MS)
    assert shop.made_for[-1].now_ms == START_MS + 90_000 + SMALL.session_gap_ms
    assert shop.made_for[-1].session == shop.state("ann").session + 1
    (_,) = shop.sweep(12 * DAY_MS)
    assert shop.made_for[-1].now_ms == START_MS + 10 * DAY_MS


def test_without_the_current_item_only_the_last_one_is_kept_out() -> None:
    shop = Shop(exclude="current")
    shop.view("bob", "ABCDABCD", 0)
    for seen, at_ms in (("ABC", 20_000), ("A", 30_000), ("D", 40_000)):
        (published,) = shop.view("ann", seen, at_ms).lists
        assert set(listed(published).items) == set("ABCD") - {seen[-1]}
    (visit, *_) = [one for one in shop.sweep(DAY_MS) if one.user_id == b"ann"]
    assert set(listed(visit).items) == set("ABC")


# Who orders a list: the second stage, the linear ranker, or the shop.


def lists_of(result: RoundResult) -> dict[str, list[str]]:
    return {one.user_id.decode(): listed(one).items for one in result.lists}


def stocked(second: SecondStage | None, **settings: object) -> Shop:
    shop = Shop(second, **settings)
    shop.view("bob", "ABCDEABCDE", 0)
    shop.view("eve", "AEDCB", 20_000)
    return shop


def round_of(shop: Shop, users: list[str], at_ms: int) -> RoundResult:
    return shop.send(*(shop.record(user, "A", at_ms) for user in users))


def linear_order(shop: Shop) -> list[str]:
    """What learned weights alone would make of the moment the last list was made for."""
    recommender = Recommender(shop.preset, shop.items, 20)
    recommender.linear = True
    ranked = recommender.recommend(shop.made_for[-1], NO_ROWS).ranked.rows
    return [str(shop.items.ids[row]) for row in ranked.tolist()]


def test_a_round_with_more_users_leaves_the_second_stage_out_and_the_next_small_one_does_not() -> None:
    second = Backwards()
    with_it, without = stocked(second, thorough_users=2), stocked(None)
    orders = []
    for users, at_ms in ((["u1", "u2", "u3"], 30_000), (["u1", "u2"], 40_000), (["u3"], 50_000)):
        asked = len(second.ranked)
        ours, linear = lists_of(round_of(with_it, users, at_ms)), lists_of(round_of(without, users, at_ms))
        assert list(ours) == list(linear) == users
        orders.append([ours[user] == linear[user] for user in users])
        backwards = [ours[user] == linear[user][::-1] for user in users]
        assert backwards == [not same for same in orders[-1]]
        assert len(second.ranked) - asked >= (0 if len(users) > 2 else len(users))
    assert orders == [[True, True, True], [False, False], [False]]


def test_no_round_is_small_enough_for_none() -> None:
    with_it, without = stocked(Backwards(), thorough_users=0), stocked(None)
    assert lists_of(round_of(with_it, ["u1"], 30_000)) == lists_of(round_of(without, ["u1"], 30_000))


def test_events_and_not_records_of_one_user_make_a_round_large() -> None:
    """Ten events of one user are one list."""
    with_it, without = stocked(Backwards(), thorough_users=1), stocked(None)
    ours, linear = (
        lists_of(shop.send(*(shop.record("u1", item, 30_000) for item in "ABCDEABCDE"))) for shop in (with_it, without)
    )
    assert ours["u1"] == linear["u1"][::-1]


def test_what_is_left_out_of_lists_learns_all_the_same() -> None:
    second = Backwards()
    shop = stocked(second, thorough_users=0)
    before = len(second.learned)
    round_of(shop, ["bob", "eve"], 30_000)
    assert len(second.learned) == before + 2


PINS = (("popularity", 1.0), ("cooc", 0.5))


def test_pinned_weights_ignore_what_is_learned_and_the_second_stage() -> None:
    second = Backwards()
    pinned, plain = stocked(second, pinned=PINS), stocked(None, pinned=PINS)
    plain.items.ranker.serving[:] = -100.0
    found = [lists_of(round_of(shop, ["bob", "u1"], 30_000)) for shop in (pinned, plain)]
    assert found[0] == found[1]
    assert found[0]["u1"] != linear_order(pinned)
    assert second.ranked == []


def test_pinned_scores_are_the_weighted_shares_of_the_sources() -> None:
    """y = Σ α·source, each between 0 and 1, so the score of a list is at most the sum of the weights."""
    shop = stocked(None, pinned=PINS)
    published = listed(shop.view("u1", "A", 30_000).lists[0])
    assert published.scores == sorted(published.scores, reverse=True)
    assert 0.0 < published.scores[0] <= sum(weight for _, weight in PINS)


@pytest.mark.parametrize("source", ["cooc", "own", "popularity"])
def test_the_reason_is_the_source_that_alone_has_a_weight(source: str) -> None:
    """Where it proposes the item: what it does not know is somebody else's proposal."""
    shop = Shop(pinned=((source, 1.0),))
    for visit in range(3):
        shop.view("ann", "ABCD", visit * DAY_MS)
    published = listed(shop.view("ann", "A", 4 * DAY_MS).lists[0])
    counted = [kind for kind, score in zip(published.kinds, published.scores, strict=True) if score > 0]
    assert counted
    assert set(counted) == {REASON_KINDS[source]}


@pytest.mark.parametrize("second", [None, Backwards()], ids=["linear", "second stage"])
@pytest.mark.parametrize("seed", range(6))
def test_the_reason_is_the_proposing_source_that_added_most(seed: int, second: SecondStage | None) -> None:
    items = small_shop(seed)
    recommender = Recommender(items.preset, items, 20)
    recommender.linear, recommender.second = True, second
    user = some_user(seed, items, pending=2)
    found, evidence = recommender.recommend(user, NO_ROWS), recommender.look(user, NO_ROWS).evidence
    assert len(set(found.ranked.sources.tolist())) > 1
    places = np.array([evidence.rows.tolist().index(row) for row in found.ranked.rows.tolist()], np.int32)
    theta = items.ranker.serving[context_of(user)]
    parts = contributions(evidence.features, theta, places, len(SOURCE_NAMES))
    for at, (place, by) in enumerate(zip(places.tolist(), found.ranked.sources.tolist(), strict=True)):
        ranks = evidence.ranks[:, place]
        assert ranks[by] != ABSENT
        assert parts[by, at] == parts[ranks != ABSENT, at].max()


def test_every_pinned_source_has_a_feature_between_0_and_1() -> None:
    items = small_shop(2)
    evidence = Recommender(items.preset, items, 20).look(some_user(2, items), NO_ROWS).evidence
    assert set(PINNED) == set(SOURCE_NAMES)
    for feature in PINNED.values():
        values = evidence.features[FEATURES.index(feature)]
        assert values.min() >= 0.0
        assert values.max() <= 1.0
