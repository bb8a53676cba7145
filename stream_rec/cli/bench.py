"""`stream-rec bench`: measure the worker against a plain Faust agent, or the kernels alone, from a checkout."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

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
