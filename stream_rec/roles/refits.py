"""Keeps the second stage fitted: starts a fit where one is due, puts its forest on trial, stores what is promoted."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from stream_rec.adapters.fit_process import FitOutcome, FitProcess
from stream_rec.core.presets import FitParams
from stream_rec.core.ranking.cascade import Cascade
from stream_rec.errors import CorruptStateError
from stream_rec.roles.parts import Parts

INTERVAL_S = 2.0
FOREST_FILE = "cascade.forest"

log = logging.getLogger(__name__)


class Refits:
    """Follows one worker's second stage; its own past lists and its own forest, nothing shared with other workers.

    Parameters
    ----------
    parts
        The worker; its user plane's newest event time is the clock.
    cascade
        The second stage of its user plane.
    params
        How to fit.
    folder
        Where the live forest is kept for the next start.
    """

    def __init__(self, parts: Parts, cascade: Cascade, params: FitParams, folder: Path) -> None:
        self._parts = parts
        self._cascade = cascade
        self._params = params
        self._file = folder / FOREST_FILE
        self._process = FitProcess()
        self._decisions = 0
        self._fits = 0

    def load(self) -> None:
        """Make the forest of the last run live, if there is one that fits."""
        try:
            self._cascade.load(self._file.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, CorruptStateError) as error:
            log.warning("the stored second stage is passed over: %s", error)

    async def run(self) -> None:
        """Look every now and then until cancelled; a fit under way ends with the task."""
        try:
            while True:
                await asyncio.sleep(INTERVAL_S)
                self.look()
        finally:
            self._process.stop()

    def look(self) -> None:
        """Start a fit, fetch one, note how a trial ended."""
        cascade, event_ms = self._cascade, self._parts.users.newest_event_ms()
        if outcome := self._process.poll():
            self._offer(outcome)
        elif not self._process.busy and cascade.fit_due(event_ms):
            self._fits += 1
            self._begin(event_ms)
        if cascade.decisions != self._decisions:
            self._decisions = cascade.decisions
            self._note_decision()
        metrics = self._parts.metrics
        metrics.put("ranker_reciprocal_rank", cascade.linear_rank.value, ranker="linear_top")
        metrics.put("ranker_reciprocal_rank", cascade.fallback_rank.value, ranker="network_top")
        metrics.put("ranker_reciprocal_rank", cascade.live_rank.value, ranker="forest_top")
        metrics.put("second_stage_live", float(cascade.live is not None))

    def _begin(self, event_ms: int) -> None:
        """Start a fit; a folder that cannot be made costs a fit, not the worker."""
        try:
            self._process.start(self._cascade.begin_fit(event_ms), self._params, seed=self._fits)
        except OSError as error:
            self._parts.metrics.add("fits", outcome="failed")
            log.warning("a fit of the second stage could not begin: %s", error)

    def _offer(self, outcome: FitOutcome) -> None:
        metrics = self._parts.metrics
        metrics.put("fit_seconds", outcome.seconds)
        if outcome.forest is None:
            metrics.add("fits", outcome="failed")
            log.warning("a fit of the second stage failed: %s", outcome.error)
            return
        metrics.add("fits", outcome="fitted")
        self._cascade.offer(outcome.forest)

    def _note_decision(self) -> None:
        decision = self._cascade.last_decision
        if decision is None:
            return
        outcome = "promoted" if decision.promoted else "dropped"
        self._parts.metrics.add("fits", outcome=outcome)
        log.info("second stage %s: reciprocal rank %.4f against %.4f", outcome, decision.challenger, decision.served)
        if decision.promoted and (data := self._cascade.state_bytes()) is not None:
            self._store(data)

    def _store(self, data: bytes) -> None:
        """Replace the file in one step: a torn one would cost the next start its forest."""
        partial = self._file.with_suffix(".partial")
        try:
            partial.write_bytes(data)
            os.replace(partial, self._file)
        except OSError as error:
            log.warning("the second stage could not be stored: %s", error)
