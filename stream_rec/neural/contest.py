"""Which of two models is better on the newest held-out events: what decides about a promotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_rec.core.sequence_tables import StudentWeights
from stream_rec.core.types import Float32Array, Int64Array
from stream_rec.neural.evaluation import Figures
from stream_rec.neural.interactions import Interactions, Split
from stream_rec.neural.serving import figures_of_tables, vectors_for


@dataclass(frozen=True, slots=True)
class Contender:
    """A version's tables, as the registry keeps them."""

    item_ids: Sequence[str]
    rows: Float32Array
    weights: StudentWeights

    def figures(self, log: Interactions, split: Split, places: Int64Array) -> Figures:
        """Return its figures as a worker would serve it; an item it has no row for counts as missed."""
        vectors = vectors_for(log, list(self.item_ids), self.rows, self.weights.width)
        return figures_of_tables(log, split, places, vectors, self.weights)


def does_not_lose(new: Figures, running: Figures) -> bool:
    """Return whether the new model's hit rate is at least the running one's, on the same events.

    The events are the same, so most of the noise is too; a new model that is as good is also the fresher one.
    """
    return new.hr20 >= running.hr20
