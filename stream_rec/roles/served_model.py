"""The sequence model a worker serves: the live version of a registry's folder, followed while the worker runs.

A version is read and checked in a thread and takes over between two rounds: every list is made by one version whole,
and names it. One that cannot be read is passed over, and the one before serves on.
"""

from __future__ import annotations

import asyncio
import logging
import time

from stream_rec.adapters.model_registry import Manifest, ModelRegistry
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.errors import ConfigError
from stream_rec.roles.parts import Parts

LOOK_EVERY_S = 2.0

log = logging.getLogger(__name__)


class ServedModel:
    """Follows the live version of `registry`.

    Parameters
    ----------
    parts
        The worker; its user plane gets the model.
    registry
        Promotions and rollbacks there are followed within `LOOK_EVERY_S` and the time it takes to read a version.
    """

    def __init__(self, parts: Parts, registry: ModelRegistry) -> None:
        self._parts = parts
        self._registry = registry
        self._refused: str | None = None
        self._manifest: Manifest | None = None

    @property
    def version(self) -> str | None:
        """The version that serves."""
        model = self._parts.users.sequence
        return None if model is None else model.version

    async def run(self) -> None:
        """Look every now and then until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Take over the live version if it is another one than the one that serves."""
        try:
            live = self._registry.state().live
        except ConfigError as error:
            self._pass_over("registry", error)
            return
        if live is not None and live not in (self.version, self._refused):
            started = time.monotonic()
            try:
                model, self._manifest = await asyncio.to_thread(self._read, live)
                self._parts.users.serve(model)
            except ConfigError as error:
                self._pass_over(live, error)
            else:
                self._refused = None
                log.info("sequence model %s serves after %.2f s", live, time.monotonic() - started)
        self._measure()

    def _pass_over(self, what: str, error: ConfigError) -> None:
        """Say once what cannot be read."""
        if what != self._refused:
            log.warning("%s goes on serving: %s", self.version or "no sequence model", error)
        self._refused = what

    def _read(self, version: str) -> tuple[SequenceModel, Manifest]:
        items, tables = self._parts.items, self._registry.tables(version)
        params = items.preset.sequence
        model = SequenceModel(version, items, tables.item_ids, tables.rows, tables.weights, params)
        return model, self._registry.manifest(version)

    def _measure(self) -> None:
        model, manifest, newest_ms = self._parts.users.sequence, self._manifest, self._parts.users.newest_event_ms()
        if model is not None and manifest is not None:
            age_s = max(0, newest_ms - manifest.learned_until_ms) / 1000
            self._parts.metrics.model_serves(model.version, model.coverage(), age_s, manifest.agreement)
