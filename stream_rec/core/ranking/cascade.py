"""The second stage: a forest that is fitted now and then elsewhere, and learns from every list in between.

It knows nothing of where features come from and starts no fit: it says when one is due, hands out what to fit, and puts
what comes back on trial.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_rec.core.features import SECOND_FEATURES
from stream_rec.core.presets import CascadeParams, Preset
from stream_rec.core.ranking.forest_codec import decode_forest, encode_forest
from stream_rec.core.ranking.online_mlp import OnlineMlp
from stream_rec.core.ranking.past_lists import PastLists, Snapshot
from stream_rec.core.ranking.second_stage import SecondStage, check_list, reciprocal_rank
from stream_rec.core.ranking.trees import DEPTH, N_LEAVES, Forest, ForestScratch, forest_scratch, learn_list, score_list
from stream_rec.core.ranking.trial import Decision, RunningMean, Trial
from stream_rec.core.types import Float32Array
from stream_rec.errors import ConfigError

_DEFAULTS = CascadeParams()


class Cascade:
    """Reranks with the live forest; before there is one, with the fallback where that is better than linear.

    Parameters
    ----------
    feature_names
        The columns of every list, in order. A stored forest is only taken back over the same ones.
    params
        Memory, cadence, trial.
    fallback
        Serves and learns until the first forest is live. None: the linear order.

    Attributes
    ----------
    linear_rank, fallback_rank, live_rank, challenger_rank
        Running averages of the target's reciprocal rank among the candidates, each taken before learning.
    last_decision
        How the last trial ended; None before the first.
    decisions
        Trials that have ended.

    Notes
    -----
    For 60 candidates of 33 features and 100 trees on one core: `rerank` about 12 µs, `learn` about 25 µs, and 15 µs
    more while a trial is on. Not for several threads. Deterministic.

    Examples
    --------
    >>> cascade = Cascade(["rank", "lag"])
    >>> features, linear = np.zeros((2, 2), np.float32), np.array([1.0, 0.5], np.float32)
    >>> cascade.rerank(features, linear).tolist()
    [1.0, 0.5]
    >>> cascade.learn(features, linear, target_place=1, event_ms=0)
    >>> cascade.linear_rank.value, cascade.fit_due(event_ms=0)
    (0.5, False)
    """

    def __init__(
        self,
        feature_names: Sequence[str],
        params: CascadeParams = _DEFAULTS,
        fallback: SecondStage | None = None,
    ) -> None:
        self._names = tuple(feature_names)
        self._params = params
        self._fallback = fallback
        self._past = PastLists(len(self._names), params)
        self._live: tuple[Forest, ForestScratch] | None = None
        self._trial: Trial | None = None
        self._lists, self._lists_at_fit, self._fit_ms = 0, 0, 0
        self.last_decision: Decision | None = None
        self.decisions = 0
        span = params.average_lists
        self.linear_rank, self.fallback_rank = RunningMean(span), RunningMean(span)
        self.live_rank, self.challenger_rank = RunningMean(span), RunningMean(span)

    @property
    def live(self) -> Forest | None:
        """The forest that serves; its leaves change with every list."""
        return self._live[0] if self._live else None

    def rerank(self, features: Float32Array, linear: Float32Array) -> Float32Array:
        """Return new scores, float32[n], of a list as in `second_stage.py`."""
        check_list(features, linear, len(self._names))
        if self._live:
            forest, scratch = self._live
            score_list(forest, features, linear, scratch)
            return scratch.scores[: len(linear)].copy()
        if self._fallback is not None and not self.fallback_rank.value < self.linear_rank.value:
            return self._fallback.rerank(features, linear)
        return linear.copy()

    def learn(self, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int) -> None:
        """Score the list with all there is, keep it, and step the leaves of the live forest and the challenger.

        Nothing happens for a target that is not among the candidates (-1): no order of these could have shown it, and
        `PastLists.remember` says why it must not be trained on.
        """
        check_list(features, linear, len(self._names), target_place)
        if target_place < 0:
            return
        n, rate = len(linear), self._params.leaf_rate
        served = reciprocal_rank(linear, n, target_place)
        self.linear_rank.add(served)
        if self._live:
            served = learn_list(self._live[0], features, linear, target_place, rate, self._live[1])
            self.live_rank.add(served)
        elif self._fallback is not None:
            served = self._learn_fallback(self._fallback, features, linear, target_place, event_ms)
        if self._trial:
            trial = self._trial
            reached = learn_list(trial.forest, features, linear, target_place, rate, trial.scratch)
            self.challenger_rank.add(reached)
            if decision := trial.note(reached, served):
                self._end_trial(trial, decision)
        self._past.remember(features, linear, target_place, event_ms)
        self._lists += 1

    def _learn_fallback(
        self, fallback: SecondStage, features: Float32Array, linear: Float32Array, target_place: int, event_ms: int
    ) -> float:
        """Let the fallback learn; return the reciprocal rank of what would have been served."""
        serves = not self.fallback_rank.value < self.linear_rank.value
        by_fallback = reciprocal_rank(fallback.rerank(features, linear), len(linear), target_place)
        self.fallback_rank.add(by_fallback)
        fallback.learn(features, linear, target_place, event_ms)
        return by_fallback if serves else reciprocal_rank(linear, len(linear), target_place)

    def _end_trial(self, trial: Trial, decision: Decision) -> None:
        self._trial = None
        self.last_decision = decision
        self.decisions += 1
        if decision.promoted:
            self._live, self.live_rank = (trial.forest, trial.scratch), self.challenger_rank
        self.challenger_rank = RunningMean(self._params.average_lists)

    def fit_due(self, event_ms: int) -> bool:
        """Return whether a fit should begin at this event time.

        There must be enough lists, and no challenger on trial. The first fit is due then; the next after as many lists
        as came before the last fit, at most `refit_lists`: what little the first forest has seen is soon doubled. After
        `refit_ms` half of the past lists need be new: a fit costs seconds, and what it learns lasts.
        """
        params = self._params
        if self._trial or len(self._past) < min(params.least_lists, params.past_lists):
            return False
        since = self._lists - self._lists_at_fit
        aged = event_ms - self._fit_ms >= params.refit_ms and since >= params.past_lists // 2
        return not self._lists_at_fit or aged or since >= min(params.refit_lists, self._lists_at_fit)

    def begin_fit(self, event_ms: int) -> Snapshot:
        """Return the past lists for a fit that begins now; `fit_due` counts from here.

        A fit that fails is not reported here: the next one is due as if it had succeeded.
        """
        self._lists_at_fit, self._fit_ms = self._lists, event_ms
        return self._past.snapshot()

    def offer(self, forest: Forest) -> None:
        """Put a new forest on trial; one that is on trial already is given up for it.

        On the next `trial_lists` lists its mean reciprocal rank has to beat that of what is served; else it is dropped.
        Its leaves are its own and learn meanwhile, as the live forest's do.
        """
        self._trial = Trial(*self._prepared(forest), self._params.trial_lists)
        self.challenger_rank = RunningMean(self._params.average_lists)

    def state_bytes(self) -> bytes | None:
        """Return the live forest as `forest_codec.py` stores it; None while there is none."""
        return None if self._live is None else encode_forest(self._live[0], self._names)

    def load(self, data: bytes) -> None:
        """Make the forest of `state_bytes` live, without a trial: it has had its own.

        Past lists are not stored: after a start the next fit waits until `least_lists` have come.

        Raises
        ------
        CorruptStateError
            Not a whole forest, or one over other features. Nothing has changed.
        """
        self._live = self._prepared(decode_forest(data, self._names))
        self.live_rank = RunningMean(self._params.average_lists)

    def _prepared(self, forest: Forest) -> tuple[Forest, ForestScratch]:
        """A copy of the forest, and its buffers."""
        n_trees = len(forest.leaves)
        shapes = (forest.split_feature.shape, forest.split_value.shape, forest.leaves.shape)
        highest = int(forest.split_feature.max(initial=0))
        if shapes != ((n_trees, DEPTH), (n_trees, DEPTH), (n_trees, N_LEAVES)) or highest >= len(self._names):
            raise ConfigError(
                f"cascade: need trees of {DEPTH} levels over {len(self._names)} features; "
                f"got shapes {shapes} and feature {highest}. Fit it to this cascade's lists."
            )
        return forest.copy(), forest_scratch(n_trees, len(self._names))


def new_cascade(preset: Preset) -> Cascade:
    """Return the second stage of a preset: a forest once there is one, a small network before."""
    return Cascade(SECOND_FEATURES, preset.cascade, OnlineMlp(len(SECOND_FEATURES), seed=1))


def rehearse() -> None:
    """Run every kernel of the second stage on lists that are thrown away, so that none compiles while serving."""
    features, linear = np.zeros((2, 1), np.float32), np.zeros(2, np.float32)
    stump = Forest(
        np.zeros((1, DEPTH), np.uint8), np.zeros((1, DEPTH), np.float32), np.zeros((1, N_LEAVES), np.float32)
    )
    cascade = Cascade([""], CascadeParams(past_lists=1, trial_lists=1), OnlineMlp(1, seed=0, edge_lists=1))
    for _ in range(2):  # the first gives the network its edges
        cascade.learn(features, linear, 0, 0)
    cascade.offer(stump)
    cascade.learn(features, linear, 0, 0)
    cascade.load(encode_forest(stump, [""]))
    cascade.rerank(features, linear)
