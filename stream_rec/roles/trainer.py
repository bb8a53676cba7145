"""The trainer: from a log to a version in the registry, and the decision whether it becomes live. Needs torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from stream_rec.adapters.code_version import code_version
from stream_rec.adapters.model_registry import Decision, Manifest, ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.core.vector_records import text_hash
from stream_rec.errors import ConfigError

if TYPE_CHECKING:  # torch takes seconds to load
    from stream_rec.neural.compression import CompressionStep
    from stream_rec.neural.interactions import Interaction, Interactions, Split
    from stream_rec.neural.recipe import Recipe
    from stream_rec.neural.run import TrainedRun
    from stream_rec.neural.training import Report
    from stream_rec.neural.warm_start import WarmStart

REPORT_FILE = "report.html"
SHARES, WARM_SHARES = (0.95, 0.05), (0.8, 0.2)
"""Shares learned from and held out, of a log and of the days since a version: a day has few events to decide by."""

RUNS = ".runs"
"""Sub-folder of the registry where unfinished runs keep their stages."""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What `stream-rec train` was asked for.

    Parameters
    ----------
    log_name
        Names the log in manifest and report.
    until
        Share of the log that exists for this run; the rest is not looked at.
    since
        Share of the log (up to 1) or time, ms, where what is learned begins. A run that goes on from a version has the
        events before as what users did, and begins by default where the version has stopped learning; for any other
        they do not exist.
    warm_from
        The version to go on from; its shapes and settings are those of the run, whatever `recipe` says.
    train, test
        Shares of the positive events from there on: learned from (the oldest), held out for the figures (the newest);
        by default `SHARES`.
    ablation
        Train a student without a teacher too, for the report.
    promote
        Make the version live if it does not lose to the live one.
    """

    folder: Path
    log_name: str
    recipe: Recipe
    until: float = 1.0
    since: float | None = None
    warm_from: str | None = None
    train: float | None = None
    test: float | None = None
    test_events: int = 15_000
    ablation: bool = False
    promote: bool = True


@dataclass(frozen=True)
class TrainOutcome:
    """A finished run: its manifest, the table of compression, the decision (`None` if it was not to be made)."""

    manifest: Manifest
    steps: list[CompressionStep]
    decision: Decision | None
    report: Path
    epochs: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a machine."""
        return {
            "version": self.manifest.version,
            "data": self.manifest.data,
            "metrics": self.manifest.metrics,
            "epochs": self.epochs,
            "decision": msgspec.to_builtins(self.decision),
            "report": str(self.report),
        }


def train(
    events: Sequence[Interaction], texts: Mapping[str, str], request: TrainRequest, report: Report
) -> TrainOutcome:
    """Train on a log, publish the version, decide about it.

    Killed at any moment and called again with the same log and request it goes on; a finished run leaves its version
    behind, and the vectors of the texts.

    Parameters
    ----------
    events
        The whole log, oldest first.
    texts
        item id → title and category; the items named here are the catalogue, with those of the events and of the
        version that the run goes on from.

    Raises
    ------
    ConfigError
        The log is too short, or has nothing new; the registry's folder is damaged, or has no such version.
    """
    from stream_rec.neural.compression import compression_steps
    from stream_rec.neural.recipe import fine_tune
    from stream_rec.neural.run import TrainingRun

    registry = ModelRegistry(request.folder)
    warm = None
    if request.warm_from is not None:
        if request.ablation:
            raise ConfigError("--ablation: need a run with a teacher; got --warm-from, which has none. Leave one out.")
        warm = _warm_start(registry, request.warm_from, texts)
        request = replace(request, recipe=fine_tune(warm.recipe, request.recipe.seed))
    log, split = _learned_and_held_out(registry, events, texts, request, warm)
    run = TrainingRun(log, split, texts, request.recipe, request.folder / RUNS, request.test_events, warm)
    if not len(run.places):
        raise ConfigError("--test: need a held-out event of a user with an earlier one; got none. Hold out more.")
    trained = run.run(report, request.ablation)
    report("compression", 0, 1, "")
    steps = compression_steps(log, split, trained)
    report("compression", 1, 1, "")
    numbers, wins, reason = _contest(registry, log, split, trained)
    manifest = _publish(registry, request, log, split, texts, trained, steps, reason)
    decision = None
    if request.promote:
        decide = registry.promote if wins else registry.keep
        decision = decide(manifest.version, numbers, reason)
    shutil.rmtree(run.folder, ignore_errors=True)
    epochs = {name: model.epochs for name, model in _models(trained).items()}
    return TrainOutcome(manifest, steps, decision, request.folder / manifest.version / REPORT_FILE, epochs)


def _warm_start(registry: ModelRegistry, version: str, texts: Mapping[str, str]) -> WarmStart:
    from stream_rec.neural.item_encoder import STUDENT_FILE, warm_start

    manifest, item_ids = registry.manifest(version), registry.tables(version).item_ids
    raw, path = registry.read_file(version, STUDENT_FILE), registry.folder / version / STUDENT_FILE
    warm = warm_start(raw, item_ids, manifest.settings, version, path)
    if warm.texts is not None and not any(texts.values()):
        raise ConfigError(f"--items: need the catalogue, whose texts {version} has learned; got none. Name it.")
    return warm


def _learned_and_held_out(
    registry: ModelRegistry,
    events: Sequence[Interaction],
    texts: Mapping[str, str],
    request: TrainRequest,
    warm: WarmStart | None,
) -> tuple[Interactions, Split]:
    """Return the log that exists for the run, and which of its events are for what."""
    from stream_rec.neural.interactions import index_at, interactions_of, split_by_share

    seen = events[: int(len(events) * request.until)]
    begin_ms = _begin_ms(events, request.since)
    train, test = SHARES if warm is None else WARM_SHARES
    train = train if request.train is None else request.train
    test = test if request.test is None else request.test
    if warm is None:
        log = interactions_of((event for event in seen if event.timestamp_ms >= begin_ms), texts)
        return log, split_by_share(log, train, test)
    log = interactions_of(seen, (*warm.item_ids, *texts))
    if request.since is None:
        begin_ms = int(registry.manifest(warm.version).data["learned_until_ms"])
    return log, split_by_share(log, train, test, index_at(log, begin_ms))


def _begin_ms(events: Sequence[Interaction], since: float | None) -> int:
    """Return the time of `TrainRequest.since`; 0 where none is given."""
    if since is None or not events:
        return 0
    return int(since) if since > 1 else events[min(int(len(events) * since), len(events) - 1)].timestamp_ms


def _contest(
    registry: ModelRegistry, log: Interactions, split: Split, run: TrainedRun
) -> tuple[dict[str, float], bool, str]:
    """Return the hit rates, whether the new version should be live, and why in a sentence."""
    from stream_rec.neural.contest import Contender, does_not_lose

    new = Contender(list(log.item_ids), run.rows, run.weights).figures(log, split, run.places)
    live = registry.state().live
    if live is None:
        return {"new": new.hr20}, True, "It is the first version."
    stored = registry.tables(live)
    running = Contender(stored.item_ids, stored.rows, stored.weights).figures(log, split, run.places)
    numbers = {"new": new.hr20, "running": running.hr20, "events": float(new.n)}
    wins = does_not_lose(new, running)
    learned_until = registry.manifest(live).data.get("learned_until_ms", 0)
    unfair = " (it has learned some of these events)" if learned_until > log.times_ms[split.test] else ""
    compared = f"HR@20 {new.hr20:.4f} against {running.hr20:.4f} of {live}{unfair} on {new.n:,} held-out events"
    return numbers, wins, f"{'It does not lose' if wins else 'It loses'}: {compared}."


def _publish(
    registry: ModelRegistry,
    request: TrainRequest,
    log: Interactions,
    split: Split,
    texts: Mapping[str, str],
    run: TrainedRun,
    steps: Sequence[CompressionStep],
    reason: str,
) -> Manifest:
    from stream_rec.neural.agreement import agreement_of
    from stream_rec.neural.item_encoder import STUDENT_FILE, student_bytes
    from stream_rec.neural.report import report_page

    code = code_version()
    data = {
        "log": request.log_name,
        "until": request.until,
        "warm_from": request.warm_from,
        "users": len(log.starts) - 1,
        "items": len(log.item_ids),
        "texts": sum(1 for text in texts.values() if text),
        "learned": split.train - split.since,
        "held_out": split.end - split.test,
        "learned_from_ms": int(log.times_ms[split.since]),
        "learned_until_ms": int(log.times_ms[split.train - 1]),
        "held_out_from_ms": int(log.times_ms[split.test]),
        "held_out_until_ms": int(log.times_ms[split.end - 1]),
    }
    metrics: dict[str, Any] = {name: model.figures.as_dict() for name, model in _models(run).items()}
    if run.teacher is not None:
        metrics["agreement"] = agreement_of(log, run, run.teacher)
    metrics["compression"] = [step.as_dict() for step in steps]
    facts = {**data, "code": code, "seed": request.recipe.seed}
    item_ids = list(log.item_ids)
    text_hashes = np.array([text_hash(texts.get(item_id, "")) for item_id in item_ids], np.uint64)
    title = f"{request.log_name}: {data['learned']:,} events learned, {data['held_out']:,} held out"
    files = {
        TABLES_FILE: tables_bytes(ModelTables(item_ids, run.rows, run.weights, run.content, text_hashes)),
        STUDENT_FILE: student_bytes(run),
        REPORT_FILE: report_page(title, run, steps, facts, reason).encode(),
    }
    settings = json.loads(json.dumps(asdict(request.recipe)))  # as a reader of the manifest sees them
    return registry.publish(files, code=code, data=data, settings=settings, metrics=metrics)


def _models(run: TrainedRun) -> dict[str, Any]:
    models = {"teacher": run.teacher, "student": run.student, "plain": run.plain}
    return {name: model for name, model in models.items() if model is not None}
