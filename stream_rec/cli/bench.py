"""`stream-rec bench`: measure the worker against a plain Faust agent, from a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CHECKOUT = Path(__file__).parents[2]


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for a machine.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small loads: faster, coarser figures.")] = False,
    log: Annotated[
        Path | None, typer.Option(help="Log of the second backlog; default: Online Retail if at hand, else the shop.")
    ] = None,
    kafka: Annotated[str | None, typer.Option(help="HOST:PORT of a broker to use instead of an embedded one.")] = None,
) -> None:
    """Measure throughput and latency of the worker, and of a plain Faust agent doing the same work, on one broker."""
    import sys
    from importlib import import_module

    from stream_rec.errors import ConfigError

    if not (CHECKOUT / "benchmarks" / "run.py").is_file():
        raise ConfigError(
            f"bench: need benchmarks/ beside the package; got {CHECKOUT} without it. "
            "Clone the repository and run make bench there."
        )
    sys.path.insert(0, str(CHECKOUT))  # benchmarks/ is a folder of the checkout, not of the installed package
    import_module("benchmarks.run").run(as_json, quick, log, kafka)
