"""Names of the linear ranker's features. The weights are stored by name: a new feature starts at 0, the rest go on."""

from __future__ import annotations

from typing import Final

SCORED_SOURCES: Final = ("cooc", "own", "factors")
"""Sources whose scores the ranker looks at, in the order of its features."""

CURVES: Final = ("present", "share", "log", "r10", "r6", "r1")
"""Per scored source: 1 if proposed, s/max, 1 + log(s/max)/4, and 10/(10 + r), 6/(6 + r), 1/(1 + r) of the rank r."""

OTHERS: Final = (
    "popularity.r10",  # 10/(10 + rank) in the list of the most popular
    "item.1d",  # .2 log of the events of the last day, decayed
    "item.30d",
    "item.age",  # .1 log of the hours since the item's first event
    "had",  # the user had the item before
    "had.count",  # .5 log(1 + how often)
    "had.lag",  # 10/(10 + k), the k-th last event is the newest one with the item
    "session.had",
    "session.lag",  # 1/k
    "had.hours",  # .1 log of the hours since, if not in this session
    "had.long",  # ... and the user has more than 50 events
    "text.last",  # cosine with the last item's title and category
    "text.square",
    "text.recent",  # mean cosine with the last five, the k-th weighted 1/k
    "agreement",  # share of the scored sources that propose it
    "agreement.square",
)

FEATURES: Final = (*(f"{source}.{curve}" for source in SCORED_SOURCES for curve in CURVES), *OTHERS)

CONTEXTS: Final = ("continue", "visit")
"""What a list is for: what comes next in this session, or what a new visit begins with."""

WEIGHT_ROWS: Final = ("shared", *CONTEXTS)
"""Rows of weights: a list's weights are the shared row plus that of its context."""
