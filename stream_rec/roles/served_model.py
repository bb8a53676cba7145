"""The sequence model a worker serves: the version that was announced last, from the moment all its rows are here.

A version comes in beside the one that serves and takes over between two rounds, so every list is made by one version
whole, and names it. An encoder that dies half-way leaves the worker where it was, and one that starts meanwhile serves
the version before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

import numpy as np

from stream_rec.adapters.model_tables import parse_weights
from stream_rec.adapters.model_tail import ModelTail, Records
from stream_rec.core.arriving_version import ArrivingVersion
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.wire import SEQUENCE, AnnouncedVersion, decode_announcement
from stream_rec.errors import ConfigError, ContractError
from stream_rec.roles.parts import Parts

POLL_MS = 500
READ_RECORDS = 1000
FOLLOW_RECORDS = 300  # at most 10 µs a row: a poll holds up the event loop for 3 ms
REST_S = 0.01  # between two such polls: live events come first
SAY_EVERY_S = 10.0
MEASURE_EVERY_S = 0.5

log = logging.getLogger(__name__)


class ServedModel:
    """Follows what `models` announces.

    Parameters
    ----------
    parts
        The worker; its user plane gets the model.
    tail
        Where announcements and rows come from.
    """

    def __init__(self, parts: Parts, tail: ModelTail) -> None:
        self._parts = parts
        self._tail = tail
        self._serving: ArrivingVersion | None = None
        self._arriving: ArrivingVersion | None = None
        self._before: ArrivingVersion | None = None  # serves from a start until the arriving one is complete
        self._previous: ArrivingVersion | None = None  # served until the last takeover: a rollback goes back to it
        self._started = False
        self._announced_s = self._said_s = self._measured_s = 0.0

    @property
    def version(self) -> str | None:
        """The version that serves."""
        return None if self._serving is None else self._serving.model.version

    async def start(self, partitions: Mapping[str, int]) -> None:
        """Read what both topics hold now: the first list is made with the version that is live."""
        await self._tail.start(partitions)
        await self._read_to_the_end()
        if self._arriving is not None:
            await self._read_to_the_end()
        self._started = True
        self._take_over()

    async def run(self) -> None:
        """Follow both topics until cancelled."""
        while True:
            await self.step(POLL_MS, FOLLOW_RECORDS)
            await asyncio.sleep(REST_S)

    async def stop(self) -> None:
        """Disconnect."""
        await self._tail.stop()

    async def step(self, timeout_ms: int, max_records: int) -> None:
        """Take one poll's records; let a version serve that is complete now."""
        fetched = await self._tail.poll(timeout_ms, max_records)
        for value in fetched.announcements:
            self._announced(value)
        if fetched.announcements and self._arriving is not None and self._arriving is not self._previous:
            await self._tail.rewind()
        else:
            for partition, records in fetched.vectors.items():
                for version in dict.fromkeys((self._serving, self._arriving, self._before, self._previous)):
                    if version is not None:
                        self._absorb(version, partition, records)
        self._take_over()
        if time.monotonic() - self._measured_s >= MEASURE_EVERY_S:
            self._measure()

    def _absorb(self, version: ArrivingVersion, partition: int, records: Records) -> None:
        if damaged := version.absorb(partition, records):
            self._parts.metrics.add("item_vectors_refused", damaged)
            log.warning("%d records of item-vectors are damaged: %s lacks them", damaged, version.name)

    async def _read_to_the_end(self) -> None:
        ends = await self._tail.ends()
        while not await self._tail.reached(ends):
            await self.step(POLL_MS, READ_RECORDS)

    def _announced(self, value: bytes) -> None:
        """Begin to take in the version of an announcement, or go on with the one that serves."""
        try:
            announcement = decode_announcement(value)
            if announcement.name != SEQUENCE:
                return
            arriving, before = self._kept_or_empty(announcement.live), announcement.before
            self._before = self._empty(before) if before is not None and self._serving is None else None
        except (ContractError, ConfigError) as error:
            log.warning("announcement of a model passed over, %s goes on serving: %s", self.version or "none", error)
            return
        if self._serving is not None and self._serving.name == arriving.name:
            self._arriving = None
        elif self._arriving is None or self._arriving.name != arriving.name:
            self._arriving = arriving
            self._announced_s = self._said_s = time.monotonic()
            log.info("sequence model %s is announced: %s", announcement.live.version, announcement.reason)

    def _kept_or_empty(self, announced: AnnouncedVersion) -> ArrivingVersion:
        previous = self._previous
        return previous if previous is not None and previous.name == announced.vectors else self._empty(announced)

    def _empty(self, announced: AnnouncedVersion) -> ArrivingVersion:
        """Return an announced version without items; raises ConfigError where its weights are none."""
        items = self._parts.items
        weights = parse_weights(announced.weights, f"announcement of {announced.version}")
        none = np.zeros((0, row_width(weights.width)), np.float32)
        params, identity = items.preset.sequence, announced.vectors
        model = SequenceModel(announced.version, items, (), none, weights, params, identity=identity)
        return ArrivingVersion(model, announced.vectors, self._tail.partitions, announced.facts)

    def _take_over(self) -> None:
        """Let a complete version serve: the arriving one, or the one before it after a start; say how far it is."""
        arriving, before, now_s = self._arriving, self._before, time.monotonic()
        if arriving is not None and arriving.complete:
            self._serve(arriving)
            self._arriving = None
        elif self._started and before is not None and before.complete:
            self._serve(before)
        elif arriving is not None and now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            log.info(
                "sequence model %s: %d items, %d of %d partitions complete; an encoder writes them",
                arriving.model.version, arriving.items, arriving.complete_partitions, self._tail.partitions,
            )  # fmt: skip

    def _serve(self, version: ArrivingVersion) -> None:
        self._serving, self._previous, self._before = version, self._serving, None
        self._parts.users.serve(version.model, int(time.time() * 1000))
        log.info(
            "sequence model %s serves with %d items, %.2f s after its announcement",
            version.model.version, version.items, time.monotonic() - self._announced_s,
        )  # fmt: skip

    def _measure(self) -> None:
        metrics, self._measured_s = self._parts.metrics, time.monotonic()
        arriving = self._arriving
        metrics.put("sequence_arriving_items", arriving.items if arriving is not None else 0)
        awaited_s = time.monotonic() - self._announced_s if arriving is not None else 0.0
        metrics.put("sequence_awaited_seconds", awaited_s)
        if self._serving is not None:
            model, newest_ms = self._serving.model, self._parts.users.newest_event_ms()
            metrics.model_serves(model.version, model.coverage(), newest_ms, self._serving.facts)
            exposure = self._parts.users.exposure
            metrics.put_boosts(exposure.boosts, exposure.few_boosts)
