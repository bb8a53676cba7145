"""How good user vectors are: the rank of the item that came next, among all items of the log."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stream_rec.core.types import Float32Array, Int64Array
from stream_rec.neural.interactions import Interactions, Split
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.windows import batch_of

USERS_PER_PASS = 512


@dataclass(frozen=True, slots=True)
class Figures:
    """Hit rate and reciprocal rank of n events.

    `hr20_cold`: of events whose item had no event for learning, `n_cold` of them.
    """

    n: int
    hr10: float
    hr20: float
    mrr20: float
    n_discovery: int
    hr20_discovery: float
    mrr20_discovery: float
    n_cold: int
    hr20_cold: float

    def as_dict(self) -> dict[str, float]:
        """Return plain values, as a manifest keeps them."""
        return asdict(self)


def sampled_places(log: Interactions, first: int, end: int, n: int, seed: int) -> Int64Array:
    """Return up to n places of the log's events [first, end) whose user has an earlier event, in rising order."""
    places = log.places[first:end]
    places = places[places > log.starts[log.users[places]]]
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(places, min(n, len(places)), replace=False))


@torch.inference_mode()
def user_vectors(log: Interactions, model: SequenceModel, table: Tensor, places: Int64Array) -> Float32Array:
    """Return float32[n, d]: user vectors from the last `length` events strictly before each place.

    `table` float32[items, d]: what the model's item tower gives.
    """
    model.eval()
    begins = np.maximum(log.starts[log.users[places]], places - model.shape.length)
    vectors = torch.zeros(len(places), model.shape.width)
    by_length = np.argsort(places - begins, kind="stable")
    for part in np.array_split(by_length, max(1, -(-len(places) // USERS_PER_PASS))):
        batch = batch_of(log, np.stack([begins[part], places[part] + 1], axis=1))
        last = torch.from_numpy(places[part] - begins[part] - 1)
        vectors[torch.from_numpy(part)] = model(batch.items, table, batch.context)[torch.arange(len(part)), last]
    return vectors.numpy()


def figures_of(
    log: Interactions,
    split: Split,
    places: Int64Array,
    vectors: Float32Array,
    table: Float32Array,
    bias: Float32Array,
) -> Figures:
    """Return the figures of one user vector per place against all items of the log; ties count against us.

    Items of the catalogue that the log never has are no candidates: nobody could have gone for them.

    Discovery: first events of a user with an item, and the user's items are not listed.
    """
    rank, rank_discovery = ranks(log, places, vectors, table, bias)
    first = log.first[places]
    cold = split.item_events(log)[log.items[places]] == 0
    return Figures(
        n=len(places),
        hr10=_share(rank <= 10),
        hr20=_share(rank <= 20),
        mrr20=_mrr20(rank),
        n_discovery=int(first.sum()),
        hr20_discovery=_share(rank_discovery[first] <= 20),
        mrr20_discovery=_mrr20(rank_discovery[first]),
        n_cold=int(cold.sum()),
        hr20_cold=_share(rank[cold] <= 20),
    )


def ranks(
    log: Interactions, places: Int64Array, vectors: Float32Array, table: Float32Array, bias: Float32Array
) -> tuple[Int64Array, Int64Array]:
    """Return int64[n] twice: each item's rank among the log's items, and among those the user did not have before.

    The second means something for first events with an item only.
    """
    rank = np.empty(len(places), np.int64)
    without_had = np.empty(len(places), np.int64)
    bias = np.where(absent_items(log, len(table)), -np.inf, bias).astype(np.float32)
    for first in range(0, len(places), USERS_PER_PASS):
        part = slice(first, first + USERS_PER_PASS)
        scores = vectors[part] @ table.T + bias
        targets = log.items[places[part]]
        least = scores[np.arange(len(targets)), targets]
        above = scores >= least[:, None]
        rank[part] = above.sum(axis=1)
        for row, place in enumerate(places[part].tolist()):
            had = np.unique(log.items[log.starts[log.users[place]] : place])
            without_had[first + row] = rank[first + row] - above[row, had[had != targets[row]]].sum()
    return rank, without_had


def absent_items(log: Interactions, n_items: int) -> npt.NDArray[np.bool_]:
    """Return bool[items]: items of the catalogue that the log never has, which nobody could have gone for."""
    absent = np.ones(n_items, np.bool_)
    absent[log.items] = False
    return absent


def _share(hits: npt.NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _mrr20(rank: Int64Array) -> float:
    return float(np.where(rank <= 20, 1 / np.maximum(rank, 1), 0.0).mean()) if len(rank) else 0.0
