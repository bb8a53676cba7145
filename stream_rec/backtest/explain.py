"""Why each list is as it is: per item, what every source added to its score; one JSON line per scored event."""

from __future__ import annotations

import json
from typing import TextIO

import numpy as np

from stream_rec.backtest.records import LogRecord
from stream_rec.core.features import CONTEXTS, FEATURES
from stream_rec.core.looks import FreshLook, Observer, ServedLook
from stream_rec.core.presets import SOURCE_NAMES
from stream_rec.core.ranking.linear import contributions
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Float32Array


class Explainer:
    """Hands every look on and writes down why the fresh list is as it is.

    Parameters
    ----------
    observer
        Who else sees the looks.
    items
        For the ids and the learned weights.
    pinned
        The weights that order the lists instead of learned ones, float32[F].
    out
        Gets {"event_index", "context", "items": [{"item_id", "score", "parts": {source: what it adds}}]}, best first.
        Scores are the linear ranker's; the second stage may have changed the order.
    """

    def __init__(self, observer: Observer, items: ItemTable, pinned: Float32Array | None, out: TextIO) -> None:
        self._observer = observer
        self._items = items
        self._pinned = pinned
        self._out = out

    def served(self, look: ServedLook) -> None:
        """Hand it on."""
        self._observer.served(look)

    def fresh(self, look: FreshLook) -> None:
        """Hand it on and write a line."""
        self._observer.fresh(look)
        assert isinstance(look.record, LogRecord)
        context = look.orders.context
        theta = self._items.ranker.serving[context] if self._pinned is None else self._pinned
        rows, evidence = look.served, look.orders.evidence
        place_of = {int(row): place for place, row in enumerate(evidence.rows)}
        chosen = np.array([place_of[int(row)] for row in rows], np.int32)
        parts = contributions(evidence.features, theta, chosen, len(SOURCE_NAMES))
        scores = theta @ evidence.features[:, chosen]
        items = [
            {
                "item_id": self._items.ids[row],
                "score": round(float(scores[at]), 4),
                "parts": {name: round(float(parts[s, at]), 4) for s, name in enumerate(SOURCE_NAMES)}
                | {"other": round(float(scores[at] - parts[:, at].sum()), 4)},
            }
            for at, row in enumerate(rows.tolist())
        ]
        line = {"event_index": look.record.event_index, "context": CONTEXTS[context], "items": items}
        self._out.write(json.dumps(line) + "\n")


def weights_of(items: ItemTable) -> dict[str, dict[str, float]]:
    """Return context -> feature -> learned weight."""
    serving = items.ranker.serving
    return {
        context: {name: round(float(weight), 4) for name, weight in zip(FEATURES, serving[at], strict=True)}
        for at, context in enumerate(CONTEXTS)
    }
