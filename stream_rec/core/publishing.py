"""Publishing one user: rank under the rules, remember the list, encode it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from stream_rec.core.arms import WITH, arm_of
from stream_rec.core.lists import ListEncoder
from stream_rec.core.orders import Blend, Orders, Recommendation
from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.ranking.rules import rows_to_exclude
from stream_rec.core.recommend import Recommender
from stream_rec.core.rounds import PublishedList, RoundStats
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.user import UserState
from stream_rec.core.types import (
    KIND_MASK,
    NO_ROWS,
    NONE_COLD,
    Cold,
    EventKind,
    Int32Array,
    SourceRecord,
    UInt16Array,
    UserView,
)

_FORGET_GAPS = 1.0 / 5_000


class Asked(NamedTuple):
    """Whose list is wanted: for which session, and for which event time."""

    state: UserState
    session: int
    rank_ms: int


class Publisher:
    """Turns a user's state into a list.

    Parameters
    ----------
    exclude
        "nothing", "current" (the last item), "bought" or "had" (all).
    model_share
        Share of the users whose lists a sequence model helps to make, where there is one.
    seconds
        A monotonic clock for what embedding takes; without it that stays 0.

    Attributes
    ----------
    serves_since_ms
        Since when the sequence model serves here, on the clock of `publish`.
    """

    def __init__(
        self, items: ItemTable, recommender: Recommender, encoder: ListEncoder, exclude: str, model_share: float = 1.0,
        seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:  # fmt: skip
        self._items = items
        self._recommender = recommender
        self._encoder = encoder
        self._exclude = exclude
        self.model_share = model_share
        self.serves_since_ms = 0
        self._seconds = seconds
        self._embedded, self._embed_seconds = 0, 0.0
        self._log_gap = 0.0
        self._gaps = 0
        self._unsold_listed = self._unsold_lists = self._few_brought = 0

    def note_gap(self, gap_ms: int) -> None:
        """Note how long after a user's last event the next one of the same session came."""
        self._gaps += 1
        self._log_gap += max(_FORGET_GAPS, 1.0 / self._gaps) * (math.log1p(max(0, gap_ms)) - self._log_gap)

    @property
    def usual_gap_ms(self) -> int:
        """Geometric mean of these times lately: a list is made for that moment, not for the one it is made in."""
        return int(math.expm1(self._log_gap))

    def note_embedding(self, stats: RoundStats) -> None:
        """Count whom the sequence model has embedded since the last call, and how long it took; `stats` is changed."""
        stats.embedded += self._embedded
        stats.embed_seconds += self._embed_seconds
        self._embedded, self._embed_seconds = 0, 0.0

    @property
    def linear_serves(self) -> bool:
        """Whether learned weights order the lists."""
        return self._recommender.linear

    def serve_linear(self, linear: bool) -> None:
        """Let the linear ranker order the lists, or fusion."""
        self._recommender.linear = linear

    def arm(self, state: UserState) -> str | None:
        """Return the user's arm (`core/arms.py`); None while no sequence model serves."""
        return None if self._recommender.sequence is None else arm_of(state.user_id, self.model_share)

    def arm_of_list(self, state: UserState) -> str | None:
        """Return the arm of the user's last list; None if it was published before the version began to serve.

        Such a list is none of the version's, and in the other arm an old one is no fair comparison.
        """
        return self.arm(state) if state.list_published_ms > self.serves_since_ms else None

    def look(self, state: UserState, user: UserView) -> Orders:
        """Return what every source and ranker says for `user` under the rules; nothing is changed."""
        ((user, cold),) = self._completed([state], [user])
        return self._recommender.look(user, self._excluded(state, user.session, user.rows, user.tags), cold)

    def lists_of(self, orders: Orders) -> tuple[Int32Array, Int32Array, Blend]:
        """Return what would be published of a look, while nothing has been learned since, and what it is mixed of.

        Beside the list: the same where no sequence model were mixed in, and the order that it is mixed with.
        """
        blend = self._recommender.blended(orders)
        return self._recommender.served(orders, blend), self._recommender.plain(orders, blend), blend

    def evidence(self, state: UserState, user: UserView) -> Evidence:
        """Return the evidence of a look without what rankers make of it."""
        ((user, cold),) = self._completed([state], [user])
        return self._recommender.evidence(user, self._excluded(state, user.session, user.rows, user.tags), cold)

    def popular(self, state: UserState) -> Int32Array:
        """Return popularity's own list under the same rules: what personal lists are compared with."""
        tags = state.history.tags_view()
        return self._recommender.popular(self._excluded(state, state.session, state.rows_view(), tags))

    def rank(self, asked: Sequence[Asked], thorough: bool = True) -> list[Recommendation]:
        """Rank for each; nothing is changed."""
        views = [view_of(one.state, one.session, one.rank_ms, self._items) for one in asked]
        recommender, completed = self._recommender, self._completed([one.state for one in asked], views)
        return [
            recommender.recommend(user, self._excluded(one.state, one.session, user.rows, user.tags), thorough, cold)
            for one, (user, cold) in zip(asked, completed, strict=True)
        ]

    def publish(
        self,
        partition: int,
        state: UserState,
        recommendation: Recommendation,
        trigger: SourceRecord | None,
        list_id: str,
        now_ms: int | None,
    ) -> PublishedList:
        """Remember the list in `state`, and how many items of few events it shows; return it encoded."""
        _, _, _, context, unsold, brought = recommendation
        self._recommender.exposure.note(context, unsold, brought)
        self._unsold_listed += max(unsold, 0)
        self._unsold_lists += unsold >= 0
        self._few_brought += max(brought, 0)
        state.publish(self._items.hashes[recommendation.ranked.rows], state.as_of_ms if now_ms is None else now_ms)
        helped = self.arm(state) == WITH
        value = self._encoder.encode(state.user_id, recommendation, trigger, list_id, state.as_of_ms, now_ms, helped)
        return PublishedList(partition, state.key, value)

    def end_round(self, stats: RoundStats) -> None:
        """Count the items of few events in the lists published since the last call, and learn from their number.

        `stats` is changed.
        """
        stats.unsold_listed, stats.unsold_lists = self._unsold_listed, self._unsold_lists
        stats.few_brought = self._few_brought
        self._unsold_listed = self._unsold_lists = self._few_brought = 0
        self._recommender.exposure.settle()

    def _completed(self, states: Sequence[UserState], users: list[UserView]) -> list[tuple[UserView, Cold]]:
        """Return the views with what the sequence model makes of those it is to help, and its items of few events."""
        helped = [self.arm(state) == WITH for state in states]
        if not any(helped):
            return [(user, NONE_COLD) for user in users]
        began, chosen = self._seconds(), [user for user, one in zip(users, helped, strict=True) if one]
        completed = zip(self._recommender.completed(chosen), self._recommender.cold(chosen), strict=True)
        self._embed_seconds += self._seconds() - began
        self._embedded += sum(helped)
        return [next(completed) if one else (user, NONE_COLD) for user, one in zip(users, helped, strict=True)]

    def _excluded(self, state: UserState, session: int, had: Int32Array, tags: UInt16Array) -> Int32Array:
        """Return the rows kept from a user; `had`, `tags` are the first lines of the history, or all of it."""
        if self._exclude == "bought":
            had = had[tags & KIND_MASK == EventKind.PURCHASE]
        elif self._exclude == "current":
            had = had[-1:]
        marked = NO_ROWS
        if state.marks:
            kept_out = state.marks.kept_out(session)
            marked = self._items.rows_of_hashes(kept_out, create=False)
        return rows_to_exclude(had, marked, repeats=self._exclude == "nothing")


def view_of(state: UserState, session: int, now_ms: int, items: ItemTable) -> UserView:
    """Return what sources may know of a user; its arrays are stale after the next event."""
    history = state.history
    user = UserView(
        history.rows_view(), history.sessions_view(), history.times_view(), session, now_ms, state.pending_lines,
        history.tags_view(),
    )  # fmt: skip
    return _without_the_marked(user, state, items) if state.marks else user


def _without_the_marked(user: UserView, state: UserState, items: ItemTable) -> UserView:
    """Leave out the lines that are not to speak, and name the last hidden items."""
    last = state.marks.hidden()
    rows = items.rows_of_hashes([item for item, _ in last], create=False)
    hidden = np.stack((rows, np.array([session for _, session in last], np.int32)))
    speaking = state.marks.speaking(state.history, user.session)
    if speaking.all():
        return user._replace(hidden=hidden)
    return UserView(
        user.rows[speaking], user.sessions[speaking], user.times_ms[speaking], user.session, user.now_ms,
        int(speaking[max(0, len(speaking) - user.pending) :].sum()), user.tags[speaking], hidden,
    )  # fmt: skip
