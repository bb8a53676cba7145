"""The generated catalogue: readable, unique, priced, in season."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.shop.catalogue import KNOWN_AT_START, SET_SIZE, build_catalogue
from stream_rec.shop.seasons import YEAR_DAYS, VisitClock, category_demand, day_of
from stream_rec.shop.words import DEPARTMENTS


def test_titles_read_like_products_and_never_repeat() -> None:
    catalogue = build_catalogue(60_000, seed=1)
    titles = [row.title for row in catalogue.rows()]
    assert len(set(titles)) == len(titles)
    assert all(4 <= len(title.split()) <= 12 and title.isascii() for title in titles)


def test_a_set_shares_its_style_motif_and_colour() -> None:
    catalogue = build_catalogue(600, seed=1)
    first = [catalogue.title(item).split()[:3] for item in range(SET_SIZE)]
    assert all(words == first[0] for words in first)
    assert len({catalogue.title(item).rsplit(", ", 1)[1] for item in range(SET_SIZE)}) == 1


def test_rows_carry_what_the_items_topic_needs() -> None:
    row = build_catalogue(100, seed=1).row(7)
    assert (row.item_id, row.category in {d.name for d in DEPARTMENTS}, row.price > 0) == ("P0000007", True, True)


def test_two_thirds_are_known_at_the_start_the_rest_arrives_over_a_year() -> None:
    release = build_catalogue(6_000, seed=1).release_day
    assert (release == 0).mean() == pytest.approx(KNOWN_AT_START, abs=0.04)
    assert 300 < release.max() < 2 * YEAR_DAYS


def test_the_seed_decides_the_catalogue() -> None:
    assert list(build_catalogue(300, 5).rows()) == list(build_catalogue(300, 5).rows())
    assert list(build_catalogue(300, 5).rows()) != list(build_catalogue(300, 6).rows())


def test_a_shop_without_items_is_refused() -> None:
    with pytest.raises(ValueError, match="need at least 1 item; got 0"):
        build_catalogue(0, 1)


def test_christmas_sells_in_december_and_gardens_in_may() -> None:
    names = [d.name for d in DEPARTMENTS]
    december, may = category_demand(len(names), 335.0), category_demand(len(names), 130.0)
    assert december[names.index("Christmas")] > 10 * may[names.index("Christmas")]
    assert may[names.index("Garden")] > 3 * december[names.index("Garden")]


def test_visits_come_at_the_expected_rate_by_day_and_more_before_christmas() -> None:
    clock = VisitClock(visits_per_day=100.0)
    days = np.array([day_of(time) for time in clock.time_ms(np.arange(0, 73_000, 1.0))])
    per_day = np.bincount(days.astype(int))
    assert days[-1] == pytest.approx(2 * YEAR_DAYS, abs=0.5)  # two years of 36,500 visits
    assert per_day[325] > 1.7 * per_day[150]
    hour = np.bincount(((days % 1) * 24).astype(int), minlength=24)
    assert hour[12] > 5 * hour[3]
