"""What `stream-rec bench` runs from a checkout: a broker, the suite, a table."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path

from rich.console import Console, RenderableType

from benchmarks.bench_table import tables_of
from benchmarks.suite import QUICK, Bench, Figures, Plan
from benchmarks.systems import CHECKOUT
from stream_rec.adapters import embedded_kafka
from stream_rec.config import user_cache_folder
from stream_rec.errors import ConfigError

DEFAULT_LOGS = ("data/online_retail.csv.gz", "../shared/data/online_retail/online_retail.csv.gz")
WIDTH_WITHOUT_TERMINAL = 140


def run(as_json: bool, quick: bool, log: Path | None, kafka: str | None) -> None:
    """Measure and print.

    Raises
    ------
    ConfigError
        No such log, or no broker could be started.
    StateError
        A system ended or published nothing.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # clients retry while topics appear: nothing to tell
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    figures = _measure(QUICK if quick else Plan(), _log(log), kafka)
    show(figures.as_json() if as_json else tables_of(figures))


def show(result: dict[str, object] | RenderableType) -> None:
    """Print figures for machines, as JSON, or tables for people."""
    if isinstance(result, dict):
        print(json.dumps(result))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    console.print(result)


def _measure(plan: Plan, log: Path | None, kafka: str | None) -> Figures:
    with tempfile.TemporaryDirectory(prefix="stream-rec-bench-") as name:
        folder = Path(name)
        if kafka is not None:
            return Bench(plan, kafka, None, folder, log).run()
        broker = embedded_kafka.start(folder / "kafka", port=0, cache=user_cache_folder())
        try:
            return Bench(plan, broker.bootstrap, broker.pid, folder, log).run()
        finally:
            broker.stop()


def _log(asked: Path | None) -> Path | None:
    if asked is not None and not asked.is_file():
        raise ConfigError(f"--log: need an event log; got {asked}, which is no file. Correct the path.")
    known = (CHECKOUT / name for name in DEFAULT_LOGS)
    return asked or next((path.resolve() for path in known if path.is_file()), None)
