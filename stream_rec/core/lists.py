"""A ranking as the JSON a shop reads: joined from cached fragments, one per item.

The shape is the `RecommendationList` of `core/wire.py`; a contract test decodes what is encoded here with it.
"""

from __future__ import annotations

import msgspec

from stream_rec.core.recommend import Recommendation
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import SourceRecord

REASON_KINDS = {"cooc": "co_occurrence", "own": "own_continuation", "popularity": "popular"}
"""Source name -> `reason.kind` of an item it contributed most to."""


class ListEncoder:
    """Encodes lists; keeps two byte fragments per item (about 120 bytes), made on first use."""

    def __init__(self, items: ItemTable, source_names: tuple[str, ...], model: dict[str, str]) -> None:
        self._items = items
        self._model = msgspec.json.encode(model)
        self._heads: dict[int, bytes] = {}
        self._quoted: dict[int, bytes] = {}
        self._kinds = [b',"reason":{"kind":"%s","because":[' % REASON_KINDS[name].encode() for name in source_names]

    def encode(
        self,
        user_id: str,
        recommendation: Recommendation,
        trigger: SourceRecord | None,
        list_id: str,
        as_of_ms: int,
        now_ms: int | None,
    ) -> bytes:
        """Return the list as UTF-8 JSON.

        Parameters
        ----------
        trigger
            The record whose event made the list; `None` for a sweep at the end of a session.
        as_of_ms
            Event time of the last event the list knows.
        now_ms
            The clock; `None` in a backtest, where the list is as old as its last event.
        """
        generated_ms = as_of_ms if now_ms is None else now_ms
        lag_ms = 0 if trigger is None or now_ms is None else max(0, now_ms - trigger.timestamp)
        parts = [
            b'{"list_id":%s,"user_id":%s,"generated_at_ms":%d,"as_of_ms":%d,"lag_ms":%d,"model":%s,"trigger":%s,"items":['
            % (
                msgspec.json.encode(list_id),
                msgspec.json.encode(user_id),
                generated_ms,
                as_of_ms,
                lag_ms,
                self._model,
                _trigger(trigger),
            )
        ]
        parts.append(b",".join(self._items_json(recommendation)))
        parts.append(b"]}")
        return b"".join(parts)

    def _items_json(self, recommendation: Recommendation) -> list[bytes]:
        heads, quoted, kinds = self._heads, self._quoted, self._kinds
        ranked = recommendation.ranked
        entries = []
        for row, score, source, because in zip(
            ranked.rows.tolist(),
            ranked.scores.tolist(),
            ranked.sources.tolist(),
            recommendation.because.tolist(),
            strict=True,
        ):
            head = heads.get(row)
            if head is None:
                head = self._remember(row)
            reason = quoted.get(because) or self._quote(because)
            entries.append(b"%s%.6g%s%s]}}" % (head, score, kinds[source], reason))
        return entries

    def _remember(self, row: int) -> bytes:
        head = self._heads[row] = b'{"item_id":%s,"score":' % msgspec.json.encode(self._items.ids[row])
        return head

    def _quote(self, row: int) -> bytes:
        item_id = self._items.ids[row] if row >= 0 else None
        if item_id is None:
            return b""  # nothing to name (yet): not remembered, the id may still arrive
        quoted = self._quoted[row] = msgspec.json.encode(item_id)
        return quoted


def _trigger(record: SourceRecord | None) -> bytes:
    if record is None:
        return b"null"
    return b'{"topic":%s,"partition":%d,"offset":%d}' % (
        msgspec.json.encode(record.topic),
        record.partition,
        record.offset,
    )
