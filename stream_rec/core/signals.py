"""What each kind of event says beside the others: one weight per kind, by which everything it counts is multiplied.

An event of kind e at item x adds a_e to the popularity of x and to its pair mass, and a_e · w_k to its pair with the
k-th earlier item (`state/pair_counts.py`), with

    a_e = weight of e

so a log of a kind that weighs 1 alone (in `retail` a purchase, elsewhere a view) is counted to the last bit as if there
were no weights, and a log of any other single kind is counted in another unit, which changes no order of popularity and
none of co-occurrence. A view, a cart and a purchase of one item are one decision, though, and no three visits to it: a
pair of an item with itself weighs as the lighter of its two events,

    C[x, x] += min(a_e, a_earlier) · w_k

Neither quantity nor price enters: `docs/decisions/0008-what-an-event-says.md`.
"""

from __future__ import annotations

import numpy as np

from stream_rec.core.presets import SignalParams
from stream_rec.core.types import KIND_BITS, POSITIVE_KINDS, Float64Array


def kind_weights(params: SignalParams) -> Float64Array:
    """Return float64[16]: a_e by `EventKind`, 0 for kinds that are not counted.

    Examples
    --------
    >>> from stream_rec.core.types import EventKind
    >>> weights = kind_weights(SignalParams(purchase=5.0))
    >>> float(weights[EventKind.PURCHASE]), float(weights[EventKind.HIDE])
    (5.0, 0.0)
    """
    weights = np.zeros(1 << KIND_BITS)
    for kind in POSITIVE_KINDS:
        weights[kind] = getattr(params, kind.name.lower())
    return weights


def lighter_share(weights: list[float], kind: int, earlier: int) -> float:
    """Return min(a_kind, a_earlier) / a_kind: what is left of a pair of an item with itself.

    Examples
    --------
    >>> from stream_rec.core.types import EventKind
    >>> lighter_share(kind_weights(SignalParams()).tolist(), EventKind.PURCHASE, EventKind.VIEW_ITEM)
    0.2
    """
    return min(1.0, weights[earlier] / weights[kind])
