"""A version fine-tuned every few days, and the same one left as it is, on the events of the days that follow."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.neural.contest import Contender
from stream_rec.neural.evaluation import Figures
from stream_rec.neural.interactions import Interactions, Split, index_at
from stream_rec.neural.item_encoder import STUDENT_FILE, student_bytes, warm_start
from stream_rec.neural.recipe import fine_tune
from stream_rec.neural.run import TrainedRun, TrainingRun
from stream_rec.neural.warm_start import WarmStart

DAY_MS = 86_400_000
SCORED = 1_000
"""Events sampled from each period."""


@dataclass
class FineTuneFigures:
    """Figures of both over all periods, each weighted by its events: [hr20, hr20_discovery, mrr20]."""

    periods: int = 0
    events: int = 0
    scored: int = 0
    cpu_s: float = 0.0
    sums: dict[str, list[float]] = field(default_factory=lambda: {"tuned": [0.0] * 3, "frozen": [0.0] * 3})
    counts: list[int] = field(default_factory=lambda: [0] * 3)

    def add(self, tuned: Figures, frozen: Figures) -> None:
        """Take in the figures of one period."""
        self.scored += tuned.n
        counts = (tuned.n, tuned.n_discovery, tuned.n)
        self.counts = [before + n for before, n in zip(self.counts, counts, strict=True)]
        for name, one in (("tuned", tuned), ("frozen", frozen)):
            values = (one.hr20, one.hr20_discovery, one.mrr20)
            pairs = zip(self.sums[name], values, counts, strict=True)
            self.sums[name] = [before + value * n for before, value, n in pairs]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("hr20", "hr20_discovery", "mrr20")
        means = {
            kind: {name: total / max(1, n) for name, total, n in zip(names, sums, self.counts, strict=True)}
            for kind, sums in self.sums.items()
        }
        cpu_s = self.cpu_s / max(1, self.periods)
        return {
            "periods": self.periods,
            "events": self.events,
            "scored": self.scored,
            "cpu_s_per_period": cpu_s,
            **means,
        }


def measure(
    log: Interactions,
    texts: dict[str, str],
    models: Path,
    version: str,
    days: float,
    report_from: int,
    say: Callable[[FineTuneFigures], None],
) -> FineTuneFigures:
    """Return both figures over the periods that begin at `report_from` or later.

    From where the version stopped learning, period by period: both are scored on the period's events, then one learns
    from them. `log` has the version's items first.
    """
    registry = ModelRegistry(models)
    manifest, tables = registry.manifest(version), registry.tables(version)
    raw = registry.read_file(version, STUDENT_FILE)
    warm = warm_start(raw, tables.item_ids, manifest.settings, version, models)
    frozen = tuned = Contender(tables.item_ids, tables.rows, tables.weights)
    figures = FineTuneFigures()
    with tempfile.TemporaryDirectory() as folder:
        for since, end, after in periods(log, int(manifest.data["learned_until_ms"]), days):
            begun = time.process_time()
            split = Split(end, end, after, since)
            run = TrainingRun(log, split, texts, fine_tune(warm.recipe, 0), Path(folder), SCORED, warm)
            trained = run.run(lambda stage, done, of, note: None)
            warm, tuned = _next(trained, log, warm)
            if end >= report_from:
                figures.cpu_s += time.process_time() - begun
                figures.periods, figures.events = figures.periods + 1, figures.events + after - end
                figures.add(tuned.figures(log, split, trained.places), frozen.figures(log, split, trained.places))
                say(figures)
    return figures


def periods(log: Interactions, from_ms: int, days: float) -> Iterator[tuple[int, int, int]]:
    """Yield (since, end, after) by index: learned [since, end), scored [end, after)."""
    edges = [index_at(log, from_ms)]
    last_ms = int(log.times_ms.max())
    while (time_ms := int(log.times_ms[edges[-1]]) + int(days * DAY_MS)) <= last_ms:
        edges.append(max(index_at(log, time_ms), edges[-1] + 1))
    edges.append(len(log))
    yield from zip(edges, edges[1:], edges[2:], strict=False)


def _next(run: TrainedRun, log: Interactions, before: WarmStart) -> tuple[WarmStart, Contender]:
    raw = student_bytes(run)
    warm = warm_start(raw, log.item_ids, before.recipe.as_dict(), before.version, Path())
    return warm, Contender(log.item_ids, run.rows, run.weights)
