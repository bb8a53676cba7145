"""What the kernels of one list work on: buffers, the item table and a preset's tables, as they take them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.features import FEATURES
from stream_rec.core.presets import CANDIDATES_PER_SOURCE, SOURCE_NAMES, Preset
from stream_rec.core.ranking.fusion import fusion_weights
from stream_rec.core.ranking.reasons import RECENT_ITEMS
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import PairRates, pair_rates, vote_table
from stream_rec.core.sources.factors import context_table
from stream_rec.core.sources.own import gain_tables
from stream_rec.core.sources.sequence import OutputArrays
from stream_rec.core.state.item_layout import CoocArrays, FactorArrays, Facts
from stream_rec.core.state.item_text import TextArrays
from stream_rec.core.state.text_terms import TERM_IDS
from stream_rec.core.types import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

OWN_CANDIDATES, HOP_CANDIDATES, SEQUENCE_CANDIDATES, CONTENT_CANDIDATES, POPULAR_CANDIDATES = 64, 50, 50, 40, 32
MOST_CANDIDATES = (
    CANDIDATES_PER_SOURCE + OWN_CANDIDATES + HOP_CANDIDATES + SEQUENCE_CANDIDATES + CONTENT_CANDIDATES
    + POPULAR_CANDIDATES
)  # fmt: skip
N_SOURCES = len(SOURCE_NAMES)
COOC, OWN, FACTORS, HOP, SEQUENCE, CONTENT, POPULARITY = range(N_SOURCES)
ABSENT = -1


class Tables(NamedTuple):
    """A preset as kernels take it."""

    votes: Float64Array
    ahead: Float64Array
    behind: Float64Array
    context: Float64Array
    scalars: (
        Float64Array  # cooc in-session, own base and in-session, factors' session cost, hop items, λ, hop most near
    )
    pairs: Float64Array  # of `PairRates`, with the other rates beside
    rates: Float64Array  # those, the decay of popularity, and from place 5 on the weights of event kinds
    fusion: Float64Array  # the sources' weights, then the rank offset
    recent_votes: Float64Array  # of the items that can be a reason


class Workspace(NamedTuple):
    """Buffers of one thread; see `Scratch` for those indexed by item row. `features` float32[F, MOST_CANDIDATES].

    `lists` int32[sources, CANDIDATES_PER_SOURCE], their scores, their places in the union, and how many of each count:
    what each source said; content's come from the caller, as `excluded` does. `times` and `lag` int32[MOST_CANDIDATES]:
    how often the user had a candidate, and how many events ago last (meaningless where `times` is 0).
    """

    score: Float64Array
    touched: Int32Array
    in_session: UInt8Array
    excluded: UInt8Array
    slot: Int32Array
    rows: Int32Array
    ranks: Int32Array
    features: Float32Array
    z: Float32Array
    lists: Int32Array
    list_scores: Float64Array
    list_sizes: Int32Array
    places: Int32Array
    times: Int32Array
    lag: Int32Array
    terms: Float32Array  # [TERM_IDS, 2], zeros between calls


class ItemSide(NamedTuple):
    """The item table as kernels take it."""

    cooc: CoocArrays
    factors: FactorArrays
    facts: Facts
    listable: UInt8Array
    popular_rows: Int32Array
    popular_size: Int64Array
    popularity: Float64Array
    event_count: Int64Array
    pair: PairRates
    texts: TextArrays
    popularity_landmark: int
    popularity_decay_ms: float
    sequence: OutputArrays


def tables_of(preset: Preset) -> Tables:
    """Prepare a preset's parameters once."""
    cooc, own = preset.cooc, preset.own
    ahead, behind = gain_tables(own)
    pair = pair_rates(cooc, preset.signals, 0)
    scalars = (
        cooc.in_session, own.base, own.in_session, preset.factors.session_cost, float(preset.hop.items),
        preset.signals.near_hidden, float(preset.hop.most_near),
    )  # fmt: skip
    powers = (pair.decay_ms, pair.backward, pair.mass_power, pair.candidate_power)
    rates = (*powers, preset.popularity.decay_ms, *pair.kinds.tolist())
    votes, context = vote_table(cooc, cooc.history), context_table(preset.factors)
    fusion, recent = fusion_weights(preset.fusion, N_SOURCES), vote_table(cooc, min(RECENT_ITEMS, cooc.history))
    return Tables(votes, ahead, behind, context, np.array(scalars), pair.weights, np.array(rates), fusion, recent)


def new_workspace(scratch: Scratch, dimensions: int) -> Workspace:
    """Return the buffers around a scratch; make a new one when the scratch has grown."""
    shape = (N_SOURCES, CANDIDATES_PER_SOURCE)
    return Workspace(
        scratch.score, scratch.touched, scratch.in_session, scratch.excluded, scratch.slot,
        np.empty(MOST_CANDIDATES, np.int32), np.empty((N_SOURCES, MOST_CANDIDATES), np.int32),
        np.zeros((len(FEATURES), MOST_CANDIDATES), np.float32), np.empty(dimensions, np.float32),
        np.zeros(shape, np.int32), np.zeros(shape), np.zeros(N_SOURCES, np.int32), np.zeros(shape, np.int32),
        np.empty(MOST_CANDIDATES, np.int32), np.empty(MOST_CANDIDATES, np.int32), np.zeros((TERM_IDS, 2), np.float32),
    )  # fmt: skip
