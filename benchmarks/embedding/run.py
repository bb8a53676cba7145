"""What `stream-rec bench embed` runs from a checkout."""

from __future__ import annotations

import json
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table

from benchmarks.run import WIDTH_WITHOUT_TERMINAL
from stream_rec.errors import ConfigError


def run(as_json: bool) -> None:
    """Measure and print. Raises ConfigError where the packages to compare with are missing."""
    missing = [name for name in ("torch", "onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"bench embed: need {', '.join(missing)}; got none. Run make install in a checkout.")
    from benchmarks.embedding.suite import BATCH, BATCHES, CATALOGUES, measure

    figures = measure()
    if as_json:
        print(json.dumps(figures.as_json()))
        return
    table = Table(title="users embedded per second, one core", title_justify="left")
    table.add_column("")
    for users in BATCHES:
        table.add_column(f"{users} together", justify="right")
    for items in CATALOGUES:
        table.add_row(f"tables, {items:,} items", *(f"{figures.users_per_s[items][users]:,.0f}" for users in BATCHES))
    others = {
        "ONNX Runtime, int8": figures.onnxruntime_int8_users_per_s,
        "ONNX Runtime, float32": figures.onnxruntime_users_per_s,
        "torch": figures.torch_users_per_s,
    }
    for name, rate in others.items():
        table.add_row(name, *(f"{rate:,.0f}" if users == BATCH else "" for users in BATCHES))
    table.caption = (
        f"One user alone: {figures.single_us:.1f} µs. {figures.vs_onnxruntime_int8:.1f} times as fast as the same "
        "student in ONNX Runtime with int8 weights. Least of many repetitions."
    )
    console = Console()
    (console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)).print(table)
