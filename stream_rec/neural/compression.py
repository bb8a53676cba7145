"""What each step of compression costs: teacher → student → tables → fewer items looked at → fp16 → int8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter

import numpy as np
import torch

from stream_rec.core.embedding import embed
from stream_rec.core.sequence_codec import ENCODINGS, pack_rows, unpack_rows
from stream_rec.core.types import Float32Array, Int64Array
from stream_rec.neural.evaluation import Figures, user_vectors
from stream_rec.neural.interactions import Interactions, Split
from stream_rec.neural.run import TrainedModel, TrainedRun
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.serving import figures_of_tables, histories_before, vectors_for

BATCH = 32
"""Users embedded together in the batched figure."""

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class CompressionStep:
    """One line of the table: size of all that serving needs, figures, time per user alone and in a batch of `BATCH`."""

    name: str
    bytes: int
    hr20: float
    hr20_discovery: float
    us_alone: float
    us_batched: float

    def as_dict(self) -> dict[str, float | str]:
        """Return plain values, as a manifest keeps them."""
        return asdict(self)


def compression_steps(log: Interactions, split: Split, run: TrainedRun) -> list[CompressionStep]:
    """Return the lines of the table, measured on the run's held-out events and on one core of this machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps = [] if run.teacher is None else [_of_model("teacher", log, run.places, run.teacher)]
        if run.plain is not None:
            steps.append(_of_model("student without a teacher", log, run.places, run.plain))
        steps.append(_of_model("student", log, run.places, run.student))
    finally:
        torch.set_num_threads(threads)
    shared = sum(array.nbytes for array in run.weights)
    width, length = run.weights.width, run.weights.length
    for last in (length, length * 2 // 5):
        steps.append(_of_tables(f"tables, last {last}", log, split, run, run.rows, run.rows.nbytes + shared, last))
    for encoding in ENCODINGS:
        packed = pack_rows(run.rows, encoding)
        rows = unpack_rows(packed, width, encoding)
        steps.append(_of_tables(f"tables, {encoding}", log, split, run, rows, packed.nbytes + shared, length))
    return steps


def _of_model(name: str, log: Interactions, places: Int64Array, trained: TrainedModel) -> CompressionStep:
    size = sum(parameter.numel() * parameter.element_size() for parameter in trained.model.parameters())
    alone, batched = _torch_us(log, trained.model, places)
    figures = trained.figures
    return CompressionStep(name, size, figures.hr20, figures.hr20_discovery, alone, batched)


def _of_tables(
    name: str,
    log: Interactions,
    split: Split,
    run: TrainedRun,
    rows: Float32Array,
    size: int,
    last: int,
) -> CompressionStep:
    vectors = vectors_for(log, list(log.item_ids), rows, run.weights.width)
    figures: Figures = figures_of_tables(log, split, run.places, vectors, run.weights, last)
    some = run.places[: 40 * BATCH]

    def embedded(places: Int64Array) -> Callable[[], object]:
        histories, ends = histories_before(log, places, run.weights.length)
        return lambda: embed(histories, ends, vectors, run.weights, last)

    alone = np.mean([_seconds(embedded(some[place : place + 1])) for place in range(0, len(some), BATCH)])
    batches = [some[first : first + BATCH] for first in range(0, len(some), BATCH)]
    batched = sum(_seconds(embedded(part)) for part in batches) / len(some)
    return CompressionStep(name, size, figures.hr20, figures.hr20_discovery, 1e6 * float(alone), 1e6 * batched)


def _torch_us(log: Interactions, model: SequenceModel, places: Int64Array) -> tuple[float, float]:
    """Return µs per user in eager torch, the item vectors given."""
    some = places[:: max(1, len(places) // BATCH)][:BATCH]
    with torch.inference_mode():
        table = model.eval().items()
    alone = _seconds(lambda: user_vectors(log, model, table, some[:1]))
    batched = _seconds(lambda: user_vectors(log, model, table, some)) / len(some)
    return 1e6 * alone, 1e6 * batched


def _seconds(call: Callable[[], object]) -> float:
    """Return the shortest of some runs: others use this machine too."""
    best = np.inf
    for _ in range(_ROUNDS):
        started = perf_counter()
        call()
        best = min(best, perf_counter() - started)
    return float(best)
