"""Where a shard's deltas begin: at its watermark, wherever the group's committed offset stands."""

from __future__ import annotations

import logging
from typing import Any

from stream_rec.roles.parts import Parts

log = logging.getLogger(__name__)


class DeltaStart:
    """Makes sure that no delta between the watermark and the first batch delivered is left out.

    A worker that had lost the shard may have written an older watermark after the owner's: the offsets committed are
    then ahead of it, and reading must go back. Frames that rows include already are skipped by the rows' own offsets.
    """

    def __init__(self, parts: Parts, shards: list[int]) -> None:
        self._parts = parts
        self._waiting = set(shards)
        self._sought: dict[int, int] = {}

    async def accepts(self, event: Any) -> bool:
        """Tell whether to apply a batch; one beyond the watermark is dropped and read again."""
        message = event.message
        shard, first = message.partition, message.value[0].offset
        if shard not in self._waiting:
            return True
        needed = self._parts.item_plane.next_offset(shard)
        if first > needed and self._ahead(shard, first):
            if shard not in self._sought:
                self._sought[shard] = first
                log.info("%s-%d: reading again from %d, not from %d", message.topic, shard, needed, first)
                await self._parts.source.seek(message.topic, shard, needed)
            self._parts.source.drop(event)
            return False
        if first > needed:
            lost = first - needed
            log.warning("%s-%d: %d deltas before offset %d are gone from the log", message.topic, shard, lost, first)
        self._waiting.discard(shard)
        return True

    def _ahead(self, shard: int, first: int) -> bool:
        """Tell a batch fetched before the seek took effect from what the log has left: that starts no later."""
        return first > self._sought.get(shard, -1) or shard not in self._sought
