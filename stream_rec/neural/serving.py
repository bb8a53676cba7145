"""The figures of tables, as a worker uses them: any version, any precision, on the events a run held out."""

from __future__ import annotations

import numpy as np

from stream_rec.core.embedding import embed
from stream_rec.core.sequence_tables import ItemVectors, StudentWeights, empty_vectors, put_rows
from stream_rec.core.types import Float32Array, Int32Array, Int64Array
from stream_rec.neural.evaluation import Figures, figures_of
from stream_rec.neural.interactions import Interactions, Split

UNKNOWN_SCORE = -1e9
"""Score of an item the model has no row for: last in every list."""


def vectors_for(log: Interactions, item_ids: list[str], rows: Float32Array, width: int) -> ItemVectors:
    """Return a model's rows in the order of the log's items; items it does not know are not `known`."""
    vectors = empty_vectors(len(log.item_ids), width)
    place_of = {item_id: place for place, item_id in enumerate(log.item_ids)}
    found = [(place_of[item_id], row) for row, item_id in enumerate(item_ids) if item_id in place_of]
    places, chosen = np.array(found, np.int64).reshape(-1, 2).T
    put_rows(vectors, places, rows[chosen])
    return vectors


def histories_before(log: Interactions, places: Int64Array, length: int) -> tuple[Int32Array, Int64Array]:
    """Return the item rows before each place, up to `length` of each, and where each history ends: input of `embed`."""
    begins = np.maximum(log.starts[log.users[places]], places - length)
    lengths = places - begins
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    return log.items[np.repeat(begins, lengths) + within].astype(np.int32), ends


def figures_of_tables(
    log: Interactions,
    split: Split,
    places: Int64Array,
    vectors: ItemVectors,
    weights: StudentWeights,
    last: int | None = None,
) -> Figures:
    """Return the figures of histories embedded by the tables, from the `last` items of each as `embed` has it."""
    histories, ends = histories_before(log, places, weights.length)
    users, _ = embed(histories, ends, vectors, weights, last)
    bias = np.where(vectors.known, vectors.bias, UNKNOWN_SCORE).astype(np.float32)
    return figures_of(log, split, places, users, vectors.outputs, bias)
