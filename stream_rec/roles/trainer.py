"""The trainer: from a log to a version in the registry, and the decision whether it becomes live. Needs torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from stream_rec.adapters.code_version import code_version
from stream_rec.adapters.model_registry import Decision, Manifest, ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.core.vector_records import text_hash
from stream_rec.errors import ConfigError
from stream_rec.roles.promotion import decide

if TYPE_CHECKING:  # torch takes seconds to load
    from stream_rec.neural.interactions import Interaction, Interactions, Split
    from stream_rec.neural.recipe import Recipe
    from stream_rec.neural.run import TrainedModel, TrainedRun, TrainingRun
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
    """A finished run: its manifest, the decision (`None` if it was not to be made), the report's file, what is live.

    `trained_before`: an earlier run of the same log and request had published the version; it was not made again. Its
    decision stands too, though another version may have become live since.
    """

    manifest: Manifest
    decision: Decision | None
    report: Path
    live: str | None
    trained_before: bool = False

    @property
    def is_promoted(self) -> bool:
        """Whether the run made its version live, and it is so still."""
        return self.decision is not None and self.decision.action == "promote" and self.live == self.manifest.version

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a machine."""
        return {
            "version": self.manifest.version,
            "trained_before": self.trained_before,
            "data": self.manifest.data,
            "metrics": self.manifest.metrics,
            "decision": msgspec.to_builtins(self.decision),
            "live": self.live,
            "report": str(self.report),
        }


def train(
    events: Sequence[Interaction], texts: Mapping[str, str], request: TrainRequest, report: Report
) -> TrainOutcome:
    """Train on a log, publish the version, then decide about it.

    Killed at any moment and called again with the same log and request it goes on: with training, or, where the
    version is published already, with what is left. A finished run leaves its version behind, and the vectors of the
    texts.

    Parameters
    ----------
    events
        The whole log, oldest first.
    texts
        item id → what is written of it; the items named here are the catalogue, with those of the events and of the
        version that the run goes on from.

    Raises
    ------
    ConfigError
        The log is too short, or has nothing new; the registry's folder is damaged, or has no such version.
    """
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
    fingerprint, code = _fingerprint(run, request), code_version()
    manifest = registry.published(fingerprint, code)
    trained_before = manifest is not None
    if manifest is None:
        manifest = _publish(registry, request, run, run.run(report, request.ablation), fingerprint, code, report)
    decision = decide(registry, manifest.version, log, split, run.places) if request.promote else None
    shutil.rmtree(run.folder, ignore_errors=True)
    page, live = request.folder / manifest.version / REPORT_FILE, registry.state().live
    return TrainOutcome(manifest, decision, page, live, trained_before)


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


def _fingerprint(run: TrainingRun, request: TrainRequest) -> str:
    """Return 16 hexadecimal digits that change with anything the version depends on but the code."""
    held_out = [run.split.test, run.split.end, request.test_events, request.ablation]
    digest = sha256(json.dumps([run.fingerprint, *held_out]).encode())
    digest.update(run.log.times_ms.tobytes())
    return digest.hexdigest()[:16]


def _publish(
    registry: ModelRegistry, request: TrainRequest, run: TrainingRun, trained: TrainedRun, fingerprint: str, code: str,
    report: Report,
) -> Manifest:  # fmt: skip
    """Measure what was trained and put it into the registry."""
    from stream_rec.neural.agreement import agreement_of
    from stream_rec.neural.compression import compression_steps
    from stream_rec.neural.item_encoder import STUDENT_FILE, student_bytes
    from stream_rec.neural.report import report_page

    log, data = run.log, _data(request, run)
    report("compression", 0, 1, "")
    steps = compression_steps(log, run.split, trained)
    report("compression", 1, 1, "")
    models = _models(trained)
    metrics: dict[str, Any] = {name: model.figures.as_dict() for name, model in models.items()}
    if trained.teacher is not None:
        metrics["agreement"] = agreement_of(log, trained, trained.teacher)
    metrics["compression"] = [step.as_dict() for step in steps]
    metrics["epochs"] = {name: model.epochs for name, model in models.items()}
    facts = {**data, "code": code, "seed": request.recipe.seed}
    title = f"{request.log_name}: {data['learned']:,} events learned, {data['held_out']:,} held out"
    files = {
        TABLES_FILE: tables_bytes(_tables(run, trained)),
        STUDENT_FILE: student_bytes(trained),
        REPORT_FILE: report_page(title, trained, steps, facts).encode(),
    }
    settings = json.loads(json.dumps(asdict(request.recipe)))  # as a reader of the manifest sees them
    return registry.publish(files, code=code, data=data, settings=settings, metrics=metrics, fingerprint=fingerprint)


def _tables(run: TrainingRun, trained: TrainedRun) -> ModelTables:
    """Return the tables as a version keeps them; a model that learned no texts has none, whatever the items have."""
    item_ids = list(run.log.item_ids)
    texts = {} if trained.texts is None else run.texts
    text_hashes = np.array([text_hash(texts.get(item_id, "")) for item_id in item_ids], np.uint64)
    known = run.has_id.numpy() | (text_hashes != 0)
    return ModelTables(item_ids, trained.rows, trained.weights, trained.content, text_hashes, known)


def _data(request: TrainRequest, run: TrainingRun) -> dict[str, Any]:
    """Return what was learned from, as a manifest keeps it."""
    log, split = run.log, run.split
    return {
        "log": request.log_name,
        "until": request.until,
        "warm_from": request.warm_from,
        "users": len(log.starts) - 1,
        "items": len(log.item_ids),
        "texts": sum(1 for text in run.texts.values() if text),
        "learned": split.train - split.since,
        "held_out": split.end - split.test,
        "learned_from_ms": int(log.times_ms[split.since]),
        "learned_until_ms": int(log.times_ms[split.train - 1]),
        "held_out_from_ms": int(log.times_ms[split.test]),
        "held_out_until_ms": int(log.times_ms[split.end - 1]),
    }


def _models(run: TrainedRun) -> dict[str, TrainedModel]:
    models = {"teacher": run.teacher, "student": run.student, "plain": run.plain}
    return {name: model for name, model in models.items() if model is not None}
