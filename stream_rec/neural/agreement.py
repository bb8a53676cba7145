"""How much of the teacher is left in the student: what both would list for the same users."""

from __future__ import annotations

import numpy as np
import torch

from stream_rec.core.types import LIST_SIZE, Int64Array
from stream_rec.neural.evaluation import absent_items, user_vectors
from stream_rec.neural.interactions import Interactions
from stream_rec.neural.run import TrainedModel, TrainedRun
from stream_rec.neural.sequence_model import SequenceModel

SAMPLE = 1_000
"""Held-out events behind the figure: its standard error is below .01."""


def agreement_of(log: Interactions, run: TrainedRun, teacher: TrainedModel) -> float:
    """Return the share of the teacher's 20 best items that are among the student's, in the mean over held-out events.

        mean over events of |T20 ∩ S20| / 20

    Both rank all items of the log, without what a rule would leave out; 1 when there are no more than 20 items.
    """
    places = run.places[:: -(-len(run.places) // SAMPLE)]
    wanted, got = (_best(log, one.model, places) for one in (teacher, run.student))
    return float((wanted[:, :, None] == got[:, None, :]).any(axis=2).mean())


def _best(log: Interactions, model: SequenceModel, places: Int64Array) -> Int64Array:
    """Return int64[n, 20], the best items after the events before each place, in no order."""
    with torch.inference_mode():
        table = model.eval().items()
    bias = np.where(absent_items(log, len(table)), -np.inf, model.bias.detach().numpy())
    scores = user_vectors(log, model, table, places) @ table.numpy().T + bias
    k = min(LIST_SIZE, len(np.unique(log.items)))
    best: Int64Array = np.argpartition(scores, -k, axis=1)[:, -k:]
    return best
