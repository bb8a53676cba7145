"""The trainer: from a log to a version in the registry, and the decision whether it becomes live. Needs torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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

REPORT_FILE = "report.html"
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
    train, test
        Shares of that part's positive events: learned from (the oldest), held out for the figures (the newest).
    ablation
        Train a student without a teacher too, for the report.
    promote
        Make the version live if it does not lose to the live one.
    """

    folder: Path
    log_name: str
    recipe: Recipe
    until: float = 1.0
    train: float = 0.95
    test: float = 0.05
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

    Killed at any moment and called again with the same log and request it goes on; a finished run leaves nothing behind
    but its version.

    Parameters
    ----------
    events
        The whole log, oldest first.
    texts
        item id → title and category; the items named here are the catalogue, with those of the events.

    Raises
    ------
    ConfigError
        The log is too short, or the registry's folder is damaged.
    """
    from stream_rec.neural.compression import compression_steps
    from stream_rec.neural.interactions import interactions_of, split_by_share
    from stream_rec.neural.run import TrainingRun

    registry = ModelRegistry(request.folder)
    seen = events[: int(len(events) * request.until)]
    log = interactions_of(seen, texts)
    split = split_by_share(log, request.train, request.test)
    run = TrainingRun(log, split, texts, request.recipe, request.folder / RUNS, request.test_events)
    if not len(run.places):
        raise ConfigError(
            f"--test {request.test:g}: need a held-out event of a user with an earlier one; got none. Hold out more."
        )
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
        "users": len(log.starts) - 1,
        "items": len(log.item_ids),
        "texts": sum(1 for text in texts.values() if text),
        "learned": split.train,
        "held_out": split.end - split.test,
        "learned_from_ms": int(log.times_ms[0]),
        "learned_until_ms": int(log.times_ms[split.train - 1]),
        "held_out_from_ms": int(log.times_ms[split.test]),
        "held_out_until_ms": int(log.times_ms[split.end - 1]),
    }
    metrics: dict[str, Any] = {name: model.figures.as_dict() for name, model in _models(run).items()}
    metrics["agreement"] = agreement_of(log, run)
    metrics["compression"] = [step.as_dict() for step in steps]
    facts = {**data, "code": code, "seed": request.recipe.seed}
    item_ids = list(log.item_ids)
    text_hashes = np.array([text_hash(texts.get(item_id, "")) for item_id in item_ids], np.uint64)
    title = f"{request.log_name}: {split.train:,} events learned, {split.end - split.test:,} held out"
    files = {
        TABLES_FILE: tables_bytes(ModelTables(item_ids, run.rows, run.weights, run.content, text_hashes)),
        STUDENT_FILE: student_bytes(run),
        REPORT_FILE: report_page(title, run, steps, facts, reason).encode(),
    }
    settings = json.loads(json.dumps(asdict(request.recipe)))  # as a reader of the manifest sees them
    return registry.publish(files, code=code, data=data, settings=settings, metrics=metrics)


def _models(run: TrainedRun) -> dict[str, Any]:
    models = {"teacher": run.teacher, "student": run.student}
    return models if run.plain is None else {**models, "plain": run.plain}
