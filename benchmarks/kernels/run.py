"""What `stream-rec bench kernels` runs from a checkout."""

from __future__ import annotations

from benchmarks.kernels.kernel_tables import tables_of
from benchmarks.kernels.suite import measure
from benchmarks.run import show


def run(as_json: bool) -> None:
    """Measure and print."""
    figures = measure()
    show(figures.as_json() if as_json else tables_of(figures))
