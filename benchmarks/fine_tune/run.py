"""`stream-rec bench fine-tune`: the figures of `benchmarks/fine_tune/suite.py` as a line or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from benchmarks.fine_tune.suite import FineTuneFigures, measure
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.cli.training_input import TrainingInput
from stream_rec.neural.interactions import interactions_of


def run(source: TrainingInput, models: Path, version: str, days: float, since: float, as_json: bool) -> None:
    """Measure and print."""
    import torch

    torch.set_num_threads(1)
    known = ModelRegistry(models).tables(version).item_ids
    log = interactions_of(source.events, (*known, *source.texts))
    figures = measure(log, source.texts, models, version, days, int(len(log) * since), _say)
    if as_json:
        typer.echo(json.dumps(figures.as_json()))
    else:
        _say(figures)


def _say(figures: FineTuneFigures) -> None:
    now = figures.as_json()
    both = "; ".join(
        f"{kind} {now[kind]['hr20']:.4f} / {now[kind]['hr20_discovery']:.4f}" for kind in ("tuned", "frozen")
    )
    typer.echo(f"{figures.periods} periods, {figures.scored:,} events: HR@20 / discovery {both}", err=True)
