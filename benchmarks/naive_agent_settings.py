"""Settings of the naive agent; apart from it, so that the harness need not load Faust."""

from __future__ import annotations

import msgspec

from stream_rec.core.presets import DEFAULT_PRESET


class NaiveSettings(msgspec.Struct, frozen=True):
    """Where the naive agent reads and writes; the defaults are the worker's."""

    app_id: str
    bootstrap_servers: str
    datadir: str
    clicks: str = "clicks"
    purchases: str = "purchases"
    recommendations: str = "recommendations"
    item_deltas: str = "item-deltas"
    partitions: int = 4
    preset: str = DEFAULT_PRESET
