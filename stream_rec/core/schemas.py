"""The wire contract as JSON Schema (2020-12), derived from the structs: what `schemas/` holds."""

from __future__ import annotations

from typing import Any

import msgspec

from stream_rec.core.events import WireEvent
from stream_rec.core.types import EventKind
from stream_rec.core.wire import CatalogueItem, ModelAnnouncement, RecommendationList

_SOME_ITEM = {
    "if": {"properties": {"event": {"const": EventKind.IDENTIFY.name.lower()}}},
    "else": {
        "anyOf": [
            {"properties": {"item_id": {"type": "string"}}, "required": ["item_id"]},
            {"properties": {"items": {"type": "array", "minItems": 1}}, "required": ["items"]},
        ]
    },
}
"""Every event but `identify` names an item."""

MESSAGES: dict[str, tuple[type[msgspec.Struct], dict[str, Any]]] = {
    "event": (WireEvent, _SOME_ITEM),
    "recommendation_list": (RecommendationList, {}),
    "catalogue_item": (CatalogueItem, {}),
    "model_announcement": (ModelAnnouncement, {}),
}
"""Name of the schema -> its struct, and the rule no single field can hold."""


def render() -> dict[str, dict[str, Any]]:
    """Return every schema by name, ready to be written as `schemas/<name>.json`.

    Examples
    --------
    >>> sorted(render())
    ['catalogue_item', 'event', 'model_announcement', 'recommendation_list']
    """
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **_tidy(msgspec.json.schema(struct)),
            **rule,
        }
        for name, (struct, rule) in MESSAGES.items()
    }


def _tidy(part: Any) -> Any:
    """Return `part` with its descriptions, which are docstrings, on one line each."""
    if isinstance(part, dict):
        return {
            name: " ".join(inner.split()) if name == "description" and isinstance(inner, str) else _tidy(inner)
            for name, inner in part.items()
        }
    return [_tidy(inner) for inner in part] if isinstance(part, list | tuple) else part
