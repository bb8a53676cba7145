"""What `stream-rec bench` prints of a run."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from benchmarks.bench_table import tables_of
from benchmarks.drain import Drained
from benchmarks.latency import Latency
from benchmarks.suite import QUICK, Bench, Figures
from benchmarks.systems import BATCHED, CASCADE, CASCADE_OFF, CASCADE_ON, NAIVE, START
from stream_rec.config import RankingSettings


def drained(system: str, load: str, events_per_s: float) -> Drained:
    return Drained(system, load, 1000, 900, 0, 1000, 1000 / events_per_s, events_per_s, 80.0, None)


def figures() -> Figures:
    speeds = {BATCHED: 12_000.0, NAIVE: 1_000.0, CASCADE_ON: 6_000.0, CASCADE_OFF: 12_000.0}
    runs = [drained(system, "distinct", speed) for system, speed in speeds.items()]
    runs += [drained(system, "log", speeds[system]) for system in (BATCHED, NAIVE)]
    latency = Latency(500.0, 100, 0, 10.0, 20.0, 900.0, 1.0)
    return Figures(latency, {500: latency}, runs)


def test_the_cascade_on_and_off_stand_beside_each_other() -> None:
    assert figures().as_json()["events_per_s_cascade"] == {"on": 6_000, "off": 12_000, "ratio": 0.5}
    console = Console(width=160, file=StringIO())
    console.print(tables_of(figures()))
    assert isinstance(console.file, StringIO)
    assert CASCADE_ON in console.file.getvalue()
    assert "0.50×" in console.file.getvalue()


def test_both_are_settings_of_the_worker_under_the_same_load(tmp_path: Path) -> None:
    on, off = (RankingSettings(**CASCADE[system]) for system in (CASCADE_ON, CASCADE_OFF))  # type: ignore[arg-type]
    load = {system: Bench(QUICK, "", None, tmp_path, None)._distinct(system) for system in START}
    assert (on.cascade, off.cascade) == (True, False)
    assert on.cascade_users > QUICK.distinct
    assert len(load[CASCADE_ON].messages) == len(load[CASCADE_OFF].messages) == len(load[BATCHED].messages)
