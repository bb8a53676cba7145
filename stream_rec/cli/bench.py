"""`stream-rec bench`: measure the worker against a plain Faust agent, or the kernels alone, from a checkout."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from stream_rec.cli.options import Models, models_folder

CHECKOUT = Path(__file__).parents[2]

app = typer.Typer(invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print figures for a machine.")]


@app.callback()
def bench(
    context: typer.Context,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small loads: faster, coarser figures.")] = False,
    log: Annotated[
        Path | None, typer.Option(help="Log of the second backlog; default: Online Retail if at hand, else the shop.")
    ] = None,
    kafka: Annotated[str | None, typer.Option(help="HOST:PORT of a broker to use instead of an embedded one.")] = None,
) -> None:
    """Measure throughput and latency of the worker, and of a plain Faust agent doing the same work, on one broker."""
    if context.invoked_subcommand is None:
        _module("benchmarks.run").run(as_json, quick, log, kafka)


@app.command()
def kernels(as_json: AsJson = False) -> None:
    """Measure what one core does without Kafka: a list, an event, the second stage, at three sizes of the catalogue."""
    _module("benchmarks.kernels.run").run(as_json)


@app.command()
def embed(as_json: AsJson = False) -> None:
    """Measure how fast users are embedded by the sequence model's tables, beside the same student in ONNX Runtime."""
    _module("benchmarks.embedding.run").run(as_json)


@app.command()
def model(
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small loads: faster, coarser figures.")] = False,
) -> None:
    """Measure what serving a sequence model costs the worker, and what a promotion does to the delay of lists."""
    _module("benchmarks.model.run").run(as_json, quick)


@app.command("fine-tune")
def fine_tune(
    log: Annotated[Path, typer.Argument(help="Event log: CSV or JSONL, gzipped or not.")],
    version: Annotated[str, typer.Option("--model", help="Version to begin with: v0001.")],
    models: Models = None,
    items: Annotated[Path | None, typer.Option(help="Catalogue, as `train` takes it.")] = None,
    columns: Annotated[str | None, typer.Option(help="Names in a foreign log: user_id=CustomerID,…")] = None,
    days: Annotated[float, typer.Option(min=0.1, help="Days between two fine-tunes.")] = 7.0,
    since: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the log where the figures begin.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Measure what fine-tuning a version every few days is worth, against the same version left as it is."""
    from stream_rec.backtest.log_format import parse_log_format
    from stream_rec.cli.training_input import from_files

    source = from_files(log, parse_log_format(columns, None, False, None, None), items, None)
    _module("benchmarks.fine_tune.run").run(source, models_folder(models, None), version, days, since, as_json)


def _module(name: str) -> Any:
    """Import a module of benchmarks/, which is a folder of the checkout, not of the installed package."""
    import sys

    from stream_rec.errors import ConfigError

    if not (CHECKOUT / "benchmarks" / "run.py").is_file():
        raise ConfigError(
            f"bench: need benchmarks/ beside the package; got {CHECKOUT} without it. "
            "Clone the repository and run make bench there."
        )
    sys.path.insert(0, str(CHECKOUT))
    return import_module(name)
