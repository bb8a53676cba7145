"""From one user's history to one order: sources propose, a ranker orders, rules have been marked before."""

from __future__ import annotations

import numpy as np

from stream_rec.core.exposure import Exposure
from stream_rec.core.features import CONTEXTS
from stream_rec.core.new_items import hand_over, new_items, reason_by_text, shown_of
from stream_rec.core.orders import NOTHING, Blend, Orders, Recommendation, SecondLook
from stream_rec.core.presets import Preset
from stream_rec.core.ranking.blocks import NO_OUTPUTS, ItemBlock, ListBlock
from stream_rec.core.ranking.evidence import Evidence, copy_of
from stream_rec.core.ranking.fusion import fusion_scores
from stream_rec.core.ranking.linear import linear_scores
from stream_rec.core.ranking.list_kernels import (
    BECAUSE,
    LIFT,
    PLACE,
    ROW,
    SCORE,
    SOURCE,
    best_places,
    brought_by_second,
    context_of,
    explain_list,
    in_order,
    rank_candidates,
    second_figures,
)
from stream_rec.core.ranking.mixing import Mix, mixed_order
from stream_rec.core.ranking.rules import clear_exclusions, exclude_rows
from stream_rec.core.ranking.second_stage import MAX_CANDIDATES, SecondStage
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.ranking.workspace import CONTENT, new_workspace, tables_of
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import (
    NO_ROWS,
    NO_VECTOR,
    NONE_COLD,
    Cold,
    Float32Array,
    Float64Array,
    Int32Array,
    Ranked,
    UserView,
)

NO_BOOSTS = (0.0, 0.0)


class Recommender:
    """Ranks items for one user at a time; owns the scratch buffers, so one instance serves one thread.

    Attributes
    ----------
    linear : bool
        Whether the linear ranker serves, or fusion. Until it is set, it does once its weights are trained.
    pinned : float32[F] or None
        Weights a shop has set; then nothing that is learned changes the order.
    second : SecondStage or None
        Orders the linear ranker's best candidates anew.
    sequence : SequenceModel or None
        Must have completed the views that are ranked.
    mix : Mix or None
        How it is mixed with the order of all other sources; None: it is one of them.
    exposure : Exposure
        How many items nobody had yet the lists show.
    """

    def __init__(self, preset: Preset, items: ItemTable, list_size: int) -> None:
        self.items = items
        self.list_size = list_size
        self._chosen: bool | None = None
        self._pinned: Float32Array | None = None
        self.second: SecondStage | None = None
        self.sequence: SequenceModel | None = None
        self.mix: Mix | None = None
        self.exposure = Exposure(0.0)
        self._mixed_rows = preset.sequence.reranked
        self._tables = tables_of(preset)
        self._dimensions = preset.factors.dimensions
        self._scratch = Scratch()
        self._item_block = ItemBlock(items)
        self._fit()

    def _fit(self) -> None:
        """Make buffers as long as the item table."""
        self._scratch.fit(self.items.capacity)
        self._workspace, self._handed_over = new_workspace(self._scratch, self._dimensions), NONE_COLD
        self._block = ListBlock(self._item_block, self._tables, self._workspace)

    @property
    def linear(self) -> bool:
        """Whether the linear ranker serves."""
        return self.items.ranker.trained if self._chosen is None else self._chosen

    @linear.setter
    def linear(self, serves: bool) -> None:
        self._chosen = serves

    @property
    def pinned(self) -> Float32Array | None:
        """The weights a shop has set, if it has."""
        return None if self._pinned is None else self._pinned[0]

    @pinned.setter
    def pinned(self, theta: Float32Array | None) -> None:
        self._pinned = None if theta is None else np.stack([theta] * len(CONTEXTS))

    def completed(self, users: list[UserView]) -> list[UserView]:
        """Return the views with what the sequence model makes of them, where there is one."""
        return users if self.sequence is None else self.sequence.complete(users)

    def cold(self, users: list[UserView]) -> list[Cold]:
        """Return the items of few events that suit each user by their texts, where a model knows texts."""
        cold = None if self.sequence is None else self.sequence.cold
        return [NONE_COLD] * len(users) if cold is None else cold.propose(users)

    def recommend(
        self, user: UserView, excluded: Int32Array, thorough: bool = True, cold: Cold = NONE_COLD
    ) -> Recommendation:
        """Rank for `user` without the rows in `excluded`. State is read, never changed.

        Parameters
        ----------
        user
            History and the session to continue.
        excluded
            int32[n] item rows that rules keep out (had, bought, hidden); -1 are passed over.
        thorough
            Whether the second stage is asked, where there is one.
        cold
            Items of few events for this user.
        """
        address, (vector, user) = self._prepared(excluded, cold), self._apart(user)
        theta, linear = self._theta(len(vector) > 0)
        second = self.second if thorough and linear and self._pinned is None else None
        final = second is None and not len(vector)
        k = self.list_size if final else max(self.list_size, MAX_CANDIDATES)
        listed, found = np.empty((4, k), np.int32), np.empty((2, k))
        boosts = self._boosts(user, cold)
        _, n, brought = rank_candidates(address, *user, linear, theta, *boosts, final, listed, found)
        scores = found[SCORE, :n]
        if n < k:
            listed = listed[:, :n].copy()
        if not final:
            best = listed[PLACE]
            if second is not None and n:
                m = min(n, MAX_CANDIDATES)
                features = second_figures(address, *user, best[:m], scores[:m])
                again, lifts = second.rerank(features, scores[:m].astype(np.float32)), found[LIFT, :m]
                scores[:m] = again + lifts
                ordered, scores = in_order(scores, m)
                if boosts[1] > 0.0:
                    brought = brought_by_second(address, best[:m], again, lifts, ordered[: min(self.list_size, m)])
                best = best[ordered]
            if len(vector):
                order, scores = self._mixed(vector, Blend(self._workspace.rows[best], scores))
                best = best[order]
            best, scores = best[: self.list_size], scores[: self.list_size]
            listed = np.empty((4, len(best)), np.int32)
            listed[PLACE] = best
            explain_list(address, *user, linear, theta, listed)
        ranked, because = Ranked(listed[ROW], scores, listed[SOURCE]), listed[BECAUSE]
        new, shown = NOTHING, (0, -1, -1)
        if len(cold.rows):
            new = new_items(cold, ranked.rows, self._scratch.excluded)
            reason_by_text(cold.rows, cold.because, ranked.rows, ranked.sources, because)
            if self._exposing:
                shown = context_of(user), *shown_of(cold.unsold, self.items.event_count, ranked.rows, brought)
        clear_exclusions(self._scratch, excluded)
        return Recommendation(ranked, because, new, *shown)

    def look(self, user: UserView, excluded: Int32Array, cold: Cold = NONE_COLD) -> Orders:
        """Return the evidence and what every ranker makes of it; nothing is changed."""
        address, (vector, user) = self._prepared(excluded, cold), self._apart(user)
        context, k = context_of(user), max(self.list_size, MAX_CANDIDATES)
        listed, found = np.empty((4, k), np.int32), np.empty((2, k))
        n, m, _ = rank_candidates(
            address, *user, True, self.items.ranker.serving, *self._boosts(user, cold), False, listed, found
        )  # fmt: skip
        (scores, lifts), best, second = found[:, :m], listed[PLACE, :m], None
        if self.second is not None and m:
            top = best[:MAX_CANDIDATES]
            features = second_figures(address, *user, top, scores[: len(top)])
            second = SecondLook(self._workspace.rows[top], features, scores[: len(top)].astype(np.float32))
        new = new_items(cold, NO_ROWS, self._scratch.excluded).ranked.rows
        clear_exclusions(self._scratch, excluded)
        evidence, k = copy_of(self._workspace, n), self.list_size
        by_fusion = evidence.rows[best_places(fusion_scores(evidence.ranks, n, self._tables.fusion), k)]
        by_weights = Blend(evidence.rows[best], scores)
        return Orders(context, evidence, by_fusion, by_weights.rows[:k], second, by_weights, lifts, vector, new)

    def blended(self, orders: Orders) -> Blend:
        """Return the order of a look by weights, pinned or learned, and by the second stage where there is one.

        Items with few events are lifted in it.
        """
        evidence, second, best, lifts = orders.evidence, orders.second, orders.best, orders.lifts
        if self.pinned is not None:
            scores = linear_scores(evidence.features, len(evidence.rows), self.pinned)
            places = best_places(scores, max(self.list_size, MAX_CANDIDATES))
            return Blend(evidence.rows[places], scores[places])
        if self.second is None or second is None:
            if not lifts.any():
                return best
            order, scores = in_order(best.scores + lifts, len(best.rows))
        else:
            m, scores = len(second.linear), best.scores.copy()
            scores[:m] = self.second.rerank(second.features, second.linear) + lifts[:m]
            order, scores = in_order(scores, m)
        return Blend(best.rows[order], scores)

    def plain(self, orders: Orders, blend: Blend) -> Int32Array:
        """Return int32[<= list_size]: what would be published of a look and its blend, if nothing was mixed in."""
        by_weights = self.linear or self.pinned is not None
        return blend.rows[: self.list_size] if by_weights else orders.fusion

    def served(self, orders: Orders, blend: Blend | None = None) -> Int32Array:
        """Return int32[<= list_size]: what would be published of a look, while nothing has been learned since."""
        blend = self.blended(orders) if blend is None else blend
        if not len(orders.vector):
            return self.plain(orders, blend)
        order, _ = self._mixed(orders.vector, blend)
        return blend.rows[order][: self.list_size]

    def _mixed(self, vector: Float32Array, blend: Blend) -> tuple[Int32Array, Float64Array]:
        """Return the places of a blend in the order with the sequence model mixed in, and their scores."""
        assert self.sequence is not None and self.mix is not None
        return mixed_order(blend.scores, self.sequence.logits(vector, blend.rows[: self._mixed_rows]), self.mix)

    def _apart(self, user: UserView) -> tuple[Float32Array, UserView]:
        """Return the vector of a model to be mixed in, else an empty one, and the view that the sources see then."""
        return (NO_VECTOR, user) if self.mix is None else (user.vector, user._replace(vector=NO_VECTOR, near=NO_ROWS))

    def evidence(self, user: UserView, excluded: Int32Array, cold: Cold = NONE_COLD) -> Evidence:
        """Return the evidence alone, as `look` has it; nothing is changed."""
        address, (_, user) = self._prepared(excluded, cold), self._apart(user)
        none, nothing = np.empty((4, 0), np.int32), np.empty((2, 0))
        n, _, _ = rank_candidates(address, *user, True, self.items.ranker.serving, *NO_BOOSTS, False, none, nothing)
        clear_exclusions(self._scratch, excluded)
        return copy_of(self._workspace, n)

    def _theta(self, mixed: bool) -> tuple[Float32Array, bool]:
        """Return both contexts' weights, and whether they serve: scores of fusion are no logits to be mixed with."""
        if self._pinned is not None:
            return self._pinned, True
        return self.items.ranker.serving, self.linear or mixed

    @property
    def _exposing(self) -> bool:
        """Whether items nobody had yet may be in lists: only where weights learned online order them, and alone."""
        return self.exposure.target > 0.0 and self.linear and self._pinned is None and self.mix is None

    def _boosts(self, user: UserView, cold: Cold) -> tuple[float, float]:
        """Return what is added for no event and for few, where content proposes anything."""
        if not (len(cold.rows) and self._exposing):
            return NO_BOOSTS
        context = context_of(user)
        return self.exposure.boosts[context], self.exposure.few_boosts[context]

    def _prepared(self, excluded: Int32Array, cold: Cold) -> int:
        """Keep out the excluded rows, hand over what content proposes; return the address of the list block."""
        if self.items.capacity > len(self._scratch.score):
            self._fit()
        exclude_rows(self._scratch, excluded)
        if cold is not self._handed_over or cold is not NONE_COLD:
            self._hand_over(cold)
        self._block.current(NO_OUTPUTS if self.sequence is None else self.sequence.outputs)
        return self._block.address

    def _hand_over(self, cold: Cold) -> None:
        w, excluded = self._workspace, self._scratch.excluded
        n = hand_over(cold, excluded, self._exposing, w.lists[CONTENT], w.list_scores[CONTENT])
        w.list_sizes[CONTENT], self._handed_over = n, cold

    def popular(self, excluded: Int32Array) -> Int32Array:
        """Return int32[<= list_size]: the most popular listable rows without `excluded`, best first."""
        rows = self.items.popular_rows[: self.items.popular_count]
        if len(excluded):
            rows = rows[~np.isin(rows, excluded)]
        return rows[: self.list_size]
