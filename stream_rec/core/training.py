"""Training the rankers: one listwise step per sampled event, for two purposes.

A later event of a session teaches the weights *continue*: the item was to be foreseen from the history with the
session's own events in it. The first event teaches the weights *visit*; so do the next ones of the same session,
because a list published for a visit is good for everything in it: what each of them is held against is ranked from the
history before the session (multi-label learning without keeping the list that was shown). Those examples leave the
shared weights alone: they are many, and of another kind. The second stage learns from the sampled events themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.features import CONTEXTS
from stream_rec.core.gradients import CONTEXT_ALONE, RoundGradients
from stream_rec.core.looks import place_of
from stream_rec.core.orders import Orders
from stream_rec.core.publishing import Publisher
from stream_rec.core.ranking.contest import Contest
from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.ranking.linear import listwise_gradient
from stream_rec.core.ranking.list_kernels import context_of
from stream_rec.core.ranking.second_stage import SecondStage
from stream_rec.core.rounds import RoundStats
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.types import UserView

_VISIT = CONTEXTS.index("visit")

Place = tuple[int, int, int]
"""Source topic, partition, offset."""


class RankerTrainer:
    """Turns looks into gradients and decides which ranker serves."""

    def __init__(self, items: ItemTable, publisher: Publisher, visit_examples: int, second: SecondStage | None) -> None:
        self._items = items
        self._second = second
        self._publisher = publisher
        self._visit_examples = visit_examples
        self.contest = Contest()

    def train(
        self, place: Place, row: int, state: UserState, user: UserView, orders: Orders, out: RoundGradients,
        stats: RoundStats,
    ) -> None:  # fmt: skip
        """Learn from the event of item `row`, looked up in `orders` just before it is applied to `state`.

        `out` and `stats` are changed; the weights themselves change when the gradients come back as item deltas.
        """
        linear, fusion = place_of(row, orders.linear.tolist()), place_of(row, orders.fusion.tolist())
        stats.fresh_looks += 1
        stats.linear_reciprocal_ranks += 1 / linear if linear else 0.0
        stats.fusion_reciprocal_ranks += 1 / fusion if fusion else 0.0
        self.contest.add(linear, fusion)
        self._publisher.serve_linear(self.contest.prefers_learned(self._items.ranker.trained))
        if self._second is not None and orders.second is not None:
            at = place_of(row, orders.second.rows.tolist()) - 1
            self._second.learn(orders.second.features, orders.second.linear, at, user.now_ms)
        context = context_of(user)
        self._step(place, row, orders.evidence, context, out)
        if context != _VISIT:
            if user.pending == 0:  # the lines of one basket are no pauses
                self._publisher.note_gap(user.now_ms - int(user.times_ms[-1]))
            self._train_visit(place, row, state, user, out)

    def _train_visit(self, place: Place, row: int, state: UserState, user: UserView, out: RoundGradients) -> None:
        first = int(np.searchsorted(user.sessions, user.session))
        if first == 0 or len(user.sessions) - first >= self._visit_examples:
            return
        before = user._replace(
            rows=user.rows[:first], sessions=user.sessions[:first], times_ms=user.times_ms[:first],
            tags=user.tags[:first], pending=0,
        )  # fmt: skip
        self._step(place, row, self._publisher.evidence(state, before), _VISIT, out, CONTEXT_ALONE)

    def _step(
        self, place: Place, row: int, evidence: Evidence, context: int, out: RoundGradients, alone: int = 0
    ) -> None:
        targets = np.flatnonzero(evidence.rows == row)
        if len(targets):
            weights = self._items.ranker.serving[context]
            gradient = listwise_gradient(evidence.features, weights, int(targets[0]))
            out.add_example(place, context | alone, gradient)


class Sampling(NamedTuple):
    """Which events are looked at freshly: one in `every`, by the event id's hash; 0 = none."""

    every: int

    def takes(self, event_hash: int) -> bool:
        """Return whether this event is among them.

        Examples
        --------
        >>> Sampling(1).takes(7), Sampling(0).takes(7), Sampling(4).takes(8)
        (True, False, True)
        """
        return self.every > 0 and event_hash % self.every == 0
