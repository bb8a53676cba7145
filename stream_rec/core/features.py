"""Names of the linear ranker's features. The weights are stored by name: a new feature starts at 0, the rest go on."""

from __future__ import annotations

from typing import Final

COUNTED_SOURCES: Final = ("cooc", "own", "factors", "hop")
"""Sources that count and learn online, as every shop has them."""

SCORED_SOURCES: Final = (*COUNTED_SOURCES, "sequence", "content")
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
    "agreement",  # share of the counted sources that propose it
    "agreement.square",
)

FEATURES: Final = (*(f"{source}.{curve}" for source in SCORED_SOURCES for curve in CURVES), *OTHERS)

CONTEXTS: Final = ("continue", "visit")
"""What a list is for: what comes next in this session, or what a new visit begins with."""

WEIGHT_ROWS: Final = ("shared", *CONTEXTS)
"""Rows of weights: a list's weights are the shared row plus that of its context."""

SECOND_FEATURES: Final = (
    "cooc.log",  # log of the score beside the best one's, -9 if not proposed
    "cooc.rank",  # from 0, 101 if not proposed
    "cooc.top",  # log of the best score, in units of now
    "own.top",
    "factors.log",
    "factors.rank",
    "factors.bias",
    "rank.fused",  # sum of 1/(6 + rank)
    "rank.least",
    "linear.gap",  # linear score less the best one
    "linear.rank",
    "own.rank",
    "item.7d",  # log of the events of the last days, decayed
    "item.180d",
    "item.trend",  # log of the last 30 days' share of 180
    "item.age",  # log of the hours since the first event
    "item.since",  # log of the minutes since the last event
    "had.share",  # of the user's events
    "had.lag",  # k, the k-th last event is the newest with the item; 9999 if none
    "had.hours",  # log of the hours since, -1 if none
    "had.sessions",  # how many sessions had it
    "had.sessions_ago",  # 999 if none
    "had.rhythm",  # time since, beside the mean time between its sessions; -1 if there were not two
    "followed.ago",  # sessions since the item last came soon after the user's last item; 999 if never
    "followed.times",  # how often it came right after
    "followed.nearest",  # how many lines after at least, 0 if never within eight
    "pair.last",  # C[last item, y] / P[last item]
    "pair.second",  # the same of the last but one
    "pair.most",  # the largest such share among the session's last ten items
    "session.lines",
    "session.gap",  # log of the seconds since the user's last event
    "text.last",
    "text.recent",
)
"""What the second stage looks at, for the best candidates of the linear ranker only."""
