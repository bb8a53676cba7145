"""A ranking as the JSON a shop reads: joined from cached fragments.

The shape is the `RecommendationList` of `core/wire.py`; a contract test decodes what is encoded here with it.
"""

from __future__ import annotations

import msgspec
import numpy as np

from stream_rec.core.recommend import Recommendation
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import SourceRecord

REASON_KINDS = {
    "cooc": "co_occurrence",
    "own": "own_continuation",
    "factors": "taste",
    "hop": "co_occurrence",
    "popularity": "popular",
}
"""Source name -> `reason.kind` of an item it contributed most to."""


SCORE_STEPS = 1000
"""Scores are published to three decimals: nobody reads more, and most have then been written before."""

MAX_SCORES = 50_000
"""Score texts kept."""


class ListEncoder:
    """Encodes lists; keeps about 200 bytes of text per item, made on first use.

    Notes
    -----
    About 10 µs for 20 items. Text is joined and encoded once: Python joins `str` faster than it formats `bytes`.
    """

    def __init__(self, items: ItemTable, source_names: tuple[str, ...], model: dict[str, str]) -> None:
        self._model = _json(model)
        self._heads = _Heads(items)
        self._scores = _Scores()
        self._reasons = _Reasons(items, source_names)

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
        lag_ms, trigger_json = 0, "null"
        if trigger is not None:
            topic = _json(trigger.topic)
            trigger_json = f'{{"topic":{topic},"partition":{trigger.partition},"offset":{trigger.offset}}}'
            lag_ms = max(0, generated_ms - trigger.timestamp) if now_ms is not None else 0
        return (
            f'{{"list_id":{_json(list_id)},"user_id":{_json(user_id)},"generated_at_ms":{generated_ms},'
            f'"as_of_ms":{as_of_ms},"lag_ms":{lag_ms},"model":{self._model},"trigger":{trigger_json},'
            f'"items":[{self._items_json(recommendation)}]}}'
        ).encode()

    def _items_json(self, recommendation: Recommendation) -> str:
        ranked = recommendation.ranked
        rows, sources = ranked.rows.tolist(), ranked.sources.tolist()
        scores = np.rint(ranked.scores * SCORE_STEPS).astype(np.int64).tolist()
        because = recommendation.because.tolist()
        heads, texts, reasons = self._heads, self._scores, self._reasons
        return ",".join(
            [
                heads[row] + texts[score] + reasons[reason, source]
                for row, score, source, reason in zip(rows, scores, sources, because, strict=True)
            ]
        )


class _Heads(dict[int, str]):
    """Item row -> the text of its entry up to the score."""

    def __init__(self, items: ItemTable) -> None:
        super().__init__()
        self._items = items

    def __missing__(self, row: int) -> str:
        head = self[row] = f'{{"item_id":{_json(self._items.ids[row])},"score":'
        return head


class _Scores(dict[int, str]):
    """Score in steps -> its text."""

    def __missing__(self, steps: int) -> str:
        if len(self) >= MAX_SCORES:
            self.clear()
        text = self[steps] = f"{steps / SCORE_STEPS:g}"
        return text


class _Reasons(dict[tuple[int, int], str]):
    """(Row of the item that is the reason or -1, source) -> the text of an entry from behind the score on."""

    def __init__(self, items: ItemTable, source_names: tuple[str, ...]) -> None:
        super().__init__()
        self._items = items
        self._kinds = [f',"reason":{{"kind":"{REASON_KINDS[name]}","because":[' for name in source_names]

    def __missing__(self, place: tuple[int, int]) -> str:
        row, source = place
        item_id = self._items.ids[row] if row >= 0 else None
        text = f"{self._kinds[source]}{'' if item_id is None else _json(item_id)}]}}}}"
        if row < 0 or item_id is not None:  # else the id may still arrive
            self[place] = text
        return text


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
