"""Parameters of the algorithms and the presets that ship.

Values come from the project's measurements; choose on the first half of a log, report the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class CoocParams:
    """Co-occurrence (`core/sources/cooc.py`)."""

    decay_ms: float = 90 * DAY_MS  # τ of pair weights and of pair mass P
    window: int = 5  # W: last items an event is paired with
    distance_power: float = 1.0  # dp: a pair at distance k weighs k^-dp
    backward_weight: float = 1.0  # bw: weight of C[x, j] beside C[j, x]
    neighbours: int = 100  # K kept per row
    history: int = 20  # H items that vote
    history_power: float = 1.5  # hp: the k-th last one votes with k^-hp
    other_session: float = 0.5  # xs: factor for an item of another session
    other_power: float = 1.0  # op: factor of dp and hp there; below 1, how far back counts less between sessions
    mass_power: float = 1.0  # al: votes are divided by P[history item]^al
    candidate_power: float = 0.2  # be: scores are divided by P[candidate]^be
    in_session: float = 0.3  # β: factor for candidates of this session


@dataclass(frozen=True, slots=True)
class OwnParams:
    """Own continuation (`core/sources/own.py`)."""

    recent: int = 5  # last items of this session that are looked up
    ahead: int = 5  # following positions that gain weight/distance
    behind: int = 3  # preceding positions that gain, too
    behind_weight: float = 0.7
    base: float = 1e-3  # every earlier-session event of an item gives it this
    in_session: float = 0.2


@dataclass(frozen=True, slots=True)
class PopularityParams:
    """Decayed popularity (`core/sources/popularity.py`)."""

    decay_ms: float = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class FactorParams:
    """History factorisation (`core/sources/factors.py`)."""

    dimensions: int = 64  # d; 0 switches the factors off
    history: int = 10  # H items in the context
    history_power: float = 1.5  # hp: the k-th last one weighs k^-hp
    other_session: float = 0.3  # xs: factor for an item of another session
    other_power: float = 1.0  # op: factor of hp there
    learning_rate: float = 0.2
    negatives: int = 64  # uniform over the known items, per event
    negligible: float = 1e-3  # a negative with a smaller gradient is left alone and not sent
    session_cost: float = 3.0  # taken off the logit of candidates of this session
    initial: float = 0.03  # standard deviation of the first factors


@dataclass(frozen=True, slots=True)
class HopParams:
    """Two hops over the co-occurrence graph (`core/sources/hop.py`)."""

    items: int = 0  # last items whose neighbours' neighbours are candidates; 0 switches it off
    most_near: int = 10_000  # if those items have more neighbours there are candidates enough without a second hop


@dataclass(frozen=True, slots=True)
class SequenceParams:
    """The sequence model as a source (`core/sources/sequence.py`); without a model they mean nothing."""

    last: int = 50  # items of a history that a user is embedded by
    proposed: int = 50  # candidates taken from the whole catalogue; 0: only what other sources propose is scored
    reranked: int = 30  # of the others' best, where the model is mixed in with set weights or orders them alone
    most_items: int = 20_000  # in a larger catalogue none are taken: the search would cost more than all the rest


@dataclass(frozen=True, slots=True)
class ContentParams:
    """Text neighbours as a source of items with few events (`core/sources/content.py`); needs a model with texts."""

    history: int = 10  # last items of a user that texts are held against
    other_session: float = 0.5  # weight of those of another session
    unsold: int = 20  # candidates without an event
    few: int = 20  # candidates with 1 to 19
    most_cold: int = 500  # items the candidates are chosen from, at least a quarter of them with events


@dataclass(frozen=True, slots=True)
class RankerParams:
    """The online linear ranker (`core/ranking/linear.py`)."""

    learning_rate: float = 0.01
    initial: float = 3.0  # first weight of each counting source's 6/(6 + rank); the others start at 0
    visit_examples: int = 20  # items of a session the visit weights learn from


@dataclass(frozen=True, slots=True)
class FusionParams:
    """Reciprocal-rank fusion (`core/ranking/fusion.py`): one weight per source, in `SOURCE_NAMES` order."""

    rank_offset: float = 5.0
    weights: tuple[float, ...] = (1.0, 0.5, 1.0, 0.5, 0.25, 0.0, 0.05)


@dataclass(frozen=True, slots=True)
class FitParams:
    """How a forest is fitted (`core/ranking/tree_fit.py`)."""

    trees: int = 100
    depth: int = 6  # levels of a tree, at most 6
    learning_rate: float = 0.1
    l2: float = 5.0  # λ: added to a leaf's hessian
    least_hessian: float = 0.5  # of each child of a split leaf
    feature_fraction: float = 0.4  # of the features, drawn anew per tree
    list_fraction: float = 0.7  # of the lists, drawn anew per tree


@dataclass(frozen=True, slots=True)
class CascadeParams:
    """The second stage (`core/ranking/cascade.py`). A list counts here if its target is among its candidates."""

    past_lists: int = 24_000  # kept for the next fit
    least_lists: int = 2_000  # kept before the first fit
    negative_floor: float = 0.05  # least probability of keeping a list's negative for a fit
    negative_share: float = 10.0  # what the softmax under the linear scores adds to it
    refit_ms: int = 7 * DAY_MS  # of event time between two fits, if half of the past lists are new; or sooner:
    refit_lists: int = 200_000  # as soon as so many lists came, or as many as all fits before have seen
    trial_lists: int = 2_000  # on which a new forest must beat what is served
    leaf_rate: float = 5e-4  # of the leaves' steps between fits
    average_lists: float = 2_000.0  # span of the running averages of the reciprocal rank


@dataclass(frozen=True, slots=True)
class SignalParams:
    """What kinds of events say (`core/signals.py`), beside each other: only the ratios matter."""

    view_item: float = 1.0
    select_item: float = 1.0
    add_to_wishlist: float = 2.0
    add_to_cart: float = 3.0
    purchase: float = 5.0
    near_hidden: float = 0.5  # λ: votes against neighbours of hidden items, beside those for neighbours of the last


SOURCE_NAMES = ("cooc", "own", "factors", "hop", "sequence", "content", "popularity")
CANDIDATES_PER_SOURCE = 100


@dataclass(frozen=True, slots=True)
class Preset:
    """One coherent choice of every parameter."""

    name: str = "retail"
    session_gap_ms: int = 2 * HOUR_MS
    history_events: int = 1000  # events of a user kept; older ones are forgotten
    cooc: CoocParams = field(default_factory=CoocParams)
    own: OwnParams = field(default_factory=OwnParams)
    popularity: PopularityParams = field(default_factory=PopularityParams)
    factors: FactorParams = field(default_factory=FactorParams)
    hop: HopParams = field(default_factory=HopParams)
    sequence: SequenceParams = field(default_factory=SequenceParams)
    content: ContentParams = field(default_factory=ContentParams)
    ranker: RankerParams = field(default_factory=RankerParams)
    fusion: FusionParams = field(default_factory=FusionParams)
    cascade: CascadeParams = field(default_factory=CascadeParams)
    fit: FitParams = field(default_factory=FitParams)
    signals: SignalParams = field(default_factory=SignalParams)


_PURCHASE_COUNTS_ONE = SignalParams(view_item=0.2, select_item=0.2, add_to_wishlist=0.4, add_to_cart=0.6, purchase=1.0)

DEFAULT_PRESET = "auto"

_CLICKS = CoocParams(
    decay_ms=30 * DAY_MS,
    window=12,
    distance_power=1.5,
    backward_weight=1.5,
    history_power=1.8,
    other_session=0.05,
    mass_power=0.7,
    candidate_power=0.3,
    in_session=1.5,
)
_CLICK_FACTORS = FactorParams(
    history=5, other_session=0.6, learning_rate=0.3, negatives=64, session_cost=0.0, initial=0.1
)

PRESETS = {
    # For a shop nobody knows. Within a session the order says much, between visits little: steep powers in the one,
    # flat ones in the other, suit clicks and users who come for one item at a time (docs/tuning.md has the figures).
    "auto": Preset(
        name="auto",
        cooc=CoocParams(
            window=10,
            distance_power=1.5,
            history_power=1.8,
            other_power=0.55,
            mass_power=0.7,
        ),
        factors=FactorParams(history=20, other_power=0.67, learning_rate=0.1, negatives=32),
        hop=HopParams(items=2, most_near=60),
        ranker=RankerParams(learning_rate=0.015),
    ),
    "retail": Preset(signals=_PURCHASE_COUNTS_ONE),
    "clicks": Preset(
        name="clicks",
        cooc=_CLICKS,
        factors=_CLICK_FACTORS,
        hop=HopParams(items=2),
        ranker=RankerParams(learning_rate=0.02),
    ),
    "next-click": Preset(  # clicks, for lists without the item that is looked at (ranking.exclude = current)
        name="next-click",
        cooc=replace(_CLICKS, backward_weight=0.5, in_session=4.0, mass_power=0.5, candidate_power=0.2),
        factors=_CLICK_FACTORS,
        hop=HopParams(items=2),
        ranker=RankerParams(learning_rate=0.02),
    ),
    "movies": Preset(
        name="movies",
        cooc=CoocParams(
            decay_ms=180 * DAY_MS,
            window=10,
            distance_power=0.5,
            history=20,
            history_power=1.0,
            mass_power=0.7,
            in_session=1.0,
        ),
        factors=FactorParams(history=20, history_power=1.0, learning_rate=0.1, negatives=32),
        ranker=RankerParams(learning_rate=0.01),
    ),
}
