"""What ranking gives: a user's list, and everything there is to say of it at one time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.types import NO_ROWS, Float32Array, Float64Array, Int32Array, Ranked

NEW_ITEMS = 5
"""Items nobody had yet beside a list."""


class Listing(NamedTuple):
    """Items in an order, and `because` int32[n]: the history row that spoke most for each, -1 where none did."""

    ranked: Ranked
    because: Int32Array


NOTHING = Listing(Ranked(NO_ROWS, np.empty(0), NO_ROWS), NO_ROWS)


class Recommendation(NamedTuple):
    """One list; `because` int32[n]: the history row that spoke most for each ranked row, -1 where none did.

    `new`: items nobody had yet, none of which is in the list. `context` is the row of `CONTEXTS` the list is for;
    `unsold`: how many such items the list itself shows, and `brought`: how many with few events that are there only for
    their lift; -1 where it could not show any.
    """

    ranked: Ranked
    because: Int32Array
    new: Listing = NOTHING
    context: int = 0
    unsold: int = -1
    brought: int = -1


class SecondLook(NamedTuple):
    """What the second stage sees: rows int32[m] in the linear ranker's order, float32[m, F] and float32[m] scores."""

    rows: Int32Array
    features: Float32Array
    linear: Float32Array


class Blend(NamedTuple):
    """An order by weights, best first: int32[m] rows, float64[m] scores; m >= `MAX_CANDIDATES` where it can be."""

    rows: Int32Array
    scores: Float64Array


class Orders(NamedTuple):
    """Everything there is to say of one user at one time: the evidence, and each ranker's best rows.

    `context` is the row of `CONTEXTS` the weights are of. `second` is `None` without a second stage. `best` goes on
    where `linear` ends; `lifts` float64[m] is what is added to its scores for items with few events. `vector` is the
    sequence model's, where that is mixed in and no source. `new`: items nobody had yet, best first.
    """

    context: int
    evidence: Evidence
    fusion: Int32Array
    linear: Int32Array
    second: SecondLook | None
    best: Blend
    lifts: Float64Array
    vector: Float32Array
    new: Int32Array
