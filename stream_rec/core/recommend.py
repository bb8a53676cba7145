"""From one user's history to one order: sources propose, the ranker fuses, rules have been marked before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.core.presets import Preset
from stream_rec.core.ranking.fusion import ReciprocalRankFusion
from stream_rec.core.ranking.one_pass import OnePass
from stream_rec.core.ranking.reasons import Reasons
from stream_rec.core.ranking.rules import clear_exclusions, exclude_rows
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.registry import Ranker, build_sources
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Int32Array, Proposal, Ranked, UserView

NO_ROWS: Int32Array = np.empty(0, np.int32)


class Recommendation(NamedTuple):
    """One ranking: the fused order, why each row is in it, and what every source proposed.

    `because` int32[n]: the history row that spoke most for each ranked row, -1 where none did. `proposals` is empty
    where nobody asked to see them.
    """

    ranked: Ranked
    because: Int32Array
    proposals: tuple[Proposal, ...]


class Recommender:
    """Ranks items for one user at a time; owns the scratch buffers, so one instance serves one thread."""

    def __init__(self, preset: Preset, items: ItemTable, list_size: int) -> None:
        self.items = items
        self.list_size = list_size
        self.sources = build_sources(preset)
        self.ranker: Ranker = ReciprocalRankFusion(preset.fusion)
        self._one_pass = OnePass(preset)
        self._reasons = Reasons(preset.cooc)
        self._scratch = Scratch()

    def recommend(self, user: UserView, excluded: Int32Array) -> Recommendation:
        """Rank for `user` without the rows in `excluded`. State is read, never changed.

        Parameters
        ----------
        user
            History and the session to continue.
        excluded
            int32[n] item rows that rules keep out (had, bought, hidden).
        """
        scratch = self._prepared(excluded)
        ranked, because = self._one_pass.rank(self.items, user, scratch, self.list_size)
        clear_exclusions(scratch, excluded)
        return Recommendation(ranked, because, ())

    def explain(self, user: UserView, excluded: Int32Array) -> Recommendation:
        """Rank as `recommend` does and keep every source's proposal, source by source: slower, for looking into."""
        scratch = self._prepared(excluded)
        proposals = tuple(source.propose(self.items, user, scratch) for source in self.sources)
        ranked = self.ranker.rank(proposals, scratch, self.list_size)
        because = self._reasons.because(self.items, user, ranked.rows, scratch)
        clear_exclusions(scratch, excluded)
        return Recommendation(ranked, because, proposals)

    def _prepared(self, excluded: Int32Array) -> Scratch:
        self._scratch.fit(self.items.capacity)
        exclude_rows(self._scratch, excluded)
        return self._scratch

    def popular(self, excluded: Int32Array) -> Int32Array:
        """Return int32[<= list_size]: the most popular listable rows without `excluded`, best first."""
        rows = self.items.popular_rows[: self.items.popular_count]
        if len(excluded):
            rows = rows[~np.isin(rows, excluded)]
        return rows[: self.list_size]
