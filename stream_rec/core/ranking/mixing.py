"""The sequence model and what all other sources make together, fused with weights that are set instead of learned.

    y_i = α_blend · score_i + α_sequence · logit_i        over the best of the others' order

`score` is the linear ranker's, or the second stage's where there is one. It is the logit of a softmax over candidates,
as the model's is of one over items, so the weights compare like with like: y is a geometric mean of two distributions.
With α_blend = 0 it is a cascade: the model alone orders what the others found.

References
----------
Heskes (1998), "Selecting weighting factors in logarithmic opinion pools", NIPS.
https://papers.nips.cc/paper/1413-selecting-weighting-factors-in-logarithmic-opinion-pools
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stream_rec.core.embedding_scores import UNKNOWN_SCORE
from stream_rec.core.types import Float32Array, Float64Array, Int32Array
from stream_rec.errors import ConfigError

BLEND, SEQUENCE = "blend", "sequence"


class Mix(NamedTuple):
    """The weights α of both."""

    blend: float
    sequence: float


RERANK = Mix(0.0, 1.0)


def split_pinned(alpha: Mapping[str, float], rerank: bool) -> tuple[dict[str, float], Mix | None]:
    """Return pinned weights of single sources, and how the sequence model is mixed with the order of the others.

    Raises
    ------
    ConfigError
        `blend` stands beside anything but `sequence`, or is pinned while the model is to rerank.

    Examples
    --------
    >>> split_pinned({"cooc": 0.7, "own": 0.3}, rerank=False)
    ({'cooc': 0.7, 'own': 0.3}, None)
    >>> split_pinned({"blend": 0.7, "sequence": 0.3}, rerank=False)
    ({}, Mix(blend=0.7, sequence=0.3))
    >>> split_pinned({"cooc": 1.0}, rerank=True)
    ({'cooc': 1.0}, Mix(blend=0.0, sequence=1.0))
    """
    if BLEND not in alpha:
        return dict(alpha), RERANK if rerank else None
    mix = Mix(alpha[BLEND], alpha.get(SEQUENCE, np.nan))
    if rerank or len(alpha) > 2 or not all(np.isfinite(mix)) or min(mix) < 0.0:
        given = ", ".join(f"{name} {value}" for name, value in alpha.items()) + (", and rerank" if rerank else "")
        raise ConfigError(
            f"pinned weights: need {BLEND} and {SEQUENCE}, both finite and >= 0, where {BLEND} is named; got {given}. "
            "Leave one of them out."
        )
    return {}, mix


def mixed_order(scores: Float64Array, logits: Float32Array, mix: Mix) -> tuple[Int32Array, Float64Array]:
    """Return the order of n places by y, best first, ties as they were, and their scores.

    `logits` may be those of the first m only: the others stay behind, with their own scores.
    """
    m = len(logits)
    mixed = np.append(mixed_scores(scores[:m], logits, mix), scores[m:])
    order = np.append(np.argsort(-mixed[:m], kind="stable"), np.arange(m, len(mixed))).astype(np.int32)
    return order, mixed[order]


def mixed_scores(scores: Float64Array, logits: Float32Array, mix: Mix) -> Float64Array:
    """Return float64[n], y of n candidates; what the model does not know has the least of its logits here.

    Examples
    --------
    >>> logits = np.array([1.0, 3.0, UNKNOWN_SCORE], np.float32)
    >>> mixed_scores(np.array([5.0, 4.0, 3.0]), logits, Mix(1.0, 0.5)).tolist()
    [5.5, 5.5, 3.5]
    """
    known = logits > UNKNOWN_SCORE
    if not known.any():
        return scores
    return mix.blend * scores + mix.sequence * np.where(known, logits, logits[known].min())
