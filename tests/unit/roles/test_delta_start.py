"""Where a shard's deltas begin after an assignment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from stream_rec.roles.delta_start import DeltaStart
from stream_rec.roles.parts import Parts

WATERMARK = 10


class RecordingSource:
    """Notes what was sought and dropped."""

    def __init__(self) -> None:
        self.sought: list[tuple[str, int, int]] = []
        self.dropped: list[int] = []

    def drop(self, event: Any) -> None:
        self.dropped.append(event.message.value[0].offset)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        self.sought.append((topic, partition, offset))


def deliver(*first_offsets: int) -> tuple[list[int], RecordingSource]:
    """Deliver batches that begin at these offsets to a shard whose watermark is at 10; return what is accepted."""
    source = RecordingSource()
    plane = SimpleNamespace(next_offset=lambda shard: WATERMARK)
    start = DeltaStart(cast(Parts, SimpleNamespace(source=source, item_plane=plane)), [3])

    async def run() -> list[int]:
        accepted = []
        for first in first_offsets:
            message = SimpleNamespace(topic="item-deltas", partition=3, value=[SimpleNamespace(offset=first)])
            if await start.accepts(SimpleNamespace(message=message)):
                accepted.append(first)
        return accepted

    return asyncio.run(run()), source


def test_deltas_up_to_the_watermark_are_simply_applied() -> None:
    accepted, source = deliver(4, 12, 20)
    assert (accepted, source.sought, source.dropped) == ([4, 12, 20], [], [])


def test_a_committed_offset_ahead_of_the_watermark_is_gone_back_from() -> None:
    accepted, source = deliver(15, 18, 10, 15, 18)
    assert accepted == [10, 15, 18]
    assert source.sought == [("item-deltas", 3, 10)]
    assert source.dropped == [15, 18]


def test_deltas_that_retention_took_do_not_stop_the_shard() -> None:
    accepted, source = deliver(15, 15, 18)
    assert accepted == [15, 18]
    assert source.dropped == [15]
