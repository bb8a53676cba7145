"""Learning the factors: one gradient per event, collected over a round and cut into the parts of the shards."""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.gradients import RoundGradients, encode_part, round_at
from stream_rec.core.presets import FactorParams
from stream_rec.core.ranking.blocks import ItemBlock, factors_at
from stream_rec.core.sources.factors import context_table, factor_gradient
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import RANKER_SHARD
from stream_rec.core.state.user import UserState
from stream_rec.core.types import Float64Array, Int32Array, Int64Array

_SEED_BITS = (1 << 64) - 1


@entry()
def _add_gradient(
    items: Int64Array, out: Int64Array, rows: Int32Array, sessions: Int32Array, session: int, table: Float64Array,
    x: int, n_rows: int, seed: np.uint64, negatives: int, negligible: float, entry: int,
) -> None:  # fmt: skip
    context, back, members = round_at(out)
    factor_gradient(
        factors_at(items), rows, sessions, session, table, x, n_rows, seed, negatives, negligible, context, back,
        members, entry,
    )  # fmt: skip


class FactorLearner:
    """Collects a round's gradients; `round` takes the ranker's too, which travel with them.

    Notes
    -----
    The factors a gradient is computed from are the table's, which a round does not change: events of one round do not
    see each other. With negatives drawn per event this costs nothing up to rounds of 128 events.
    """

    def __init__(self, params: FactorParams, items: ItemTable, n_shards: int) -> None:
        self._params = params
        self._items = items
        self._item_block = ItemBlock(items)
        self._n_shards = n_shards
        self._table = context_table(params)
        self.round = RoundGradients(params.dimensions, params.negatives + 1 + params.history)
        self._slot: Int32Array = np.full(0, -1, np.int32)

    def learn(self, place: tuple[int, int, int], row: int, state: UserState, seed: int) -> None:
        """Add the gradient of an event of item `row`, which is not in the history of `state` yet.

        Parameters
        ----------
        place
            The event's source topic, partition and offset.
        seed
            Decides the negatives; taken from the event, so that a replay draws the same ones.
        """
        params, out = self._params, self.round
        if not params.dimensions:
            return
        out.reserve()
        history = state.history
        _add_gradient(
            self._item_block.current(), out.block, history.rows_view(), history.sessions_view(), state.session,
            self._table, row, self._items.n, np.uint64(seed & _SEED_BITS), params.negatives, params.negligible, out.n,
        )  # fmt: skip
        out.commit(*place)

    def take_parts(self) -> dict[int, bytes]:
        """Return shard -> learned part of its frame, for the shards that get one, and start a new round."""
        if len(self._slot) < self._items.capacity:
            self._slot = np.full(self._items.capacity, -1, np.int32)
        parts = {}
        if self.round.n or self.round.examples:
            for shard in range(self._n_shards):
                part = encode_part(
                    self.round, self._items.hashes, shard, self._n_shards, self._slot, shard == RANKER_SHARD
                )
                if part:
                    parts[shard] = part
            self.round.clear()
        return parts
