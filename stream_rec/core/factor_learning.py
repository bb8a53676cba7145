"""Learning the factors: one gradient per event, collected over a round and cut into the parts of the shards."""

from __future__ import annotations

import numpy as np

from stream_rec.core.compiled import entry
from stream_rec.core.gradients import ROUND_SIZE, RoundGradients, encode_part, round_at
from stream_rec.core.kernel_memory import block_of, float64_rows_at, int64_at
from stream_rec.core.presets import FactorParams
from stream_rec.core.ranking.blocks import ITEM_SIZE, ItemBlock, factors_at
from stream_rec.core.sources.factors import context_table, factor_gradient
from stream_rec.core.state.items import ItemTable
from stream_rec.core.state.ranker_weights import RANKER_SHARD
from stream_rec.core.state.user import UserState
from stream_rec.core.types import Int32Array, Int64Array

_SEED_BITS = (1 << 64) - 1


@entry()
def _add_gradient(
    b: Int64Array, rows: Int32Array, sessions: Int32Array, session: int, x: int, n_rows: int, seed: np.uint64,
    negligible: float, entry: int,
) -> None:  # fmt: skip
    """Write one gradient; `b` is `FactorLearner._block`."""
    context, back, members = round_at(int64_at(b[1], ROUND_SIZE))
    factor_gradient(
        factors_at(int64_at(b[0], ITEM_SIZE)), rows, sessions, session, float64_rows_at(b[2], 2, b[3]), x, n_rows,
        seed, b[4], negligible, context, back, members, entry,
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
        self._blocks = self._item_block.current(), self.round.block
        self._block = self._make_block()

    def learn(self, place: tuple[int, int, int], row: int, state: UserState, seed: int) -> None:
        """Add the gradient of an event of item `row`, which is not in the history of `state` yet.

        Parameters
        ----------
        place
            The event's source topic, partition and offset.
        seed
            Decides the negatives; taken from the event, so that a replay draws the same ones.
        """
        if not self._params.dimensions:
            return
        out = self.round
        out.reserve()
        items, members = self._blocks
        if out.block is not members or self._item_block.current() is not items:
            self._blocks = self._item_block.current(), out.block
            self._block = self._make_block()
        rows, sessions = state.history.rows_and_sessions()
        _add_gradient(
            self._block, rows, sessions, state.session, row, self._items.n, np.uint64(seed & _SEED_BITS),
            self._params.negligible, out.n,
        )  # fmt: skip
        out.commit(place)

    def _make_block(self) -> Int64Array:
        """Return addresses of the item table, the round and the context table, its width, and how many negatives."""
        return block_of(*self._blocks, self._table, self._table.shape[1], self._params.negatives)

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
