"""What `stream-rec bench kernels` runs from a checkout."""

from __future__ import annotations

import json

from rich.console import Console

from benchmarks.kernels.kernel_tables import tables_of
from benchmarks.kernels.suite import measure
from benchmarks.run import WIDTH_WITHOUT_TERMINAL


def run(as_json: bool) -> None:
    """Measure and print."""
    figures = measure()
    if as_json:
        print(json.dumps(figures.as_json()))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    console.print(tables_of(figures))
