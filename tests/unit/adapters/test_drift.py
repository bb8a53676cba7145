"""A change that is planted in a stream is found and told; where there is none, nothing is said."""

from __future__ import annotations

import logging
import random
import subprocess
import sys

import pytest

from stream_rec.adapters.drift import DriftWatch, import_early
from stream_rec.adapters.metrics import PREFIX, Metrics
from stream_rec.core.rounds import RoundStats

SIGNALS = {"hit_rate": 0.4, "session_starts": 0.1, "repeats": 0.3, "new_items": 0.02, "popularity": -3.0}
DETECTORS = {signal: "adwin" if signal == "hit_rate" else "page_hinkley" for signal in SIGNALS}
ROUNDS, LINES = 1500, 40


class Stream:
    """Rounds of `LINES` lines, every signal at its level, and a watch that takes the mean of every 50 lines."""

    def __init__(self, lines: int = 50) -> None:
        self.metrics = Metrics()
        self.watch = DriftWatch(self.metrics, lines)
        self._random = random.Random(7)

    def send(self, rounds: int, **levels: float) -> None:
        level = SIGNALS | levels
        for _ in range(rounds):
            new_items = self._some(level["new_items"])
            known = LINES - new_items
            self.watch.round_done(
                RoundStats(
                    looks=LINES,
                    hits=self._some(level["hit_rate"]),
                    lines=LINES,
                    session_starts=self._some(level["session_starts"]),
                    repeats=self._some(level["repeats"]),
                    new_items=new_items,
                    popularity=sum(self._random.gauss(level["popularity"], 1.5) for _ in range(known)),
                )
            )

    def _some(self, share: float) -> int:
        return sum(self._random.random() < share for _ in range(LINES))

    def changes(self) -> dict[str, float]:
        counted = {
            signal: self.metrics.registry.get_sample_value(
                f"{PREFIX}drifts_total", {"detector": detector, "signal": signal}
            )
            for signal, detector in DETECTORS.items()
        }
        return {signal: n for signal, n in counted.items() if n}

    def mean(self, signal: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"{PREFIX}signal_mean", {"signal": signal})


def test_a_stream_that_stays_the_same_is_no_drift() -> None:
    stream = Stream()
    stream.send(2 * ROUNDS)
    assert stream.changes() == {}
    assert {signal: stream.mean(signal) for signal in SIGNALS} == pytest.approx(SIGNALS, rel=0.1)


@pytest.mark.parametrize(
    ("signal", "after"),
    [("hit_rate", 0.3), ("session_starts", 0.2), ("repeats", 0.15), ("new_items", 0.1), ("popularity", -2.5)],
)
def test_a_planted_change_is_found_in_its_signal_and_in_no_other(
    signal: str, after: float, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream()
    stream.send(ROUNDS)
    with caplog.at_level(logging.WARNING):
        stream.send(200, **{signal: after})
    assert stream.changes() == {signal: 1}
    (line,) = caplog.records
    fields = line.__dict__["fields"]
    assert (fields["detector"], fields["signal"]) == (DETECTORS[signal], signal)
    assert float(fields["before"]) == pytest.approx(SIGNALS[signal], rel=0.25)
    stream.send(ROUNDS, **{signal: after})
    assert stream.mean(signal) == pytest.approx(after, rel=0.15)


def test_sweeps_and_rounds_without_looks_say_nothing() -> None:
    stream = Stream()
    stream.watch.round_done(RoundStats(lists=3))
    assert stream.mean("hit_rate") is None


def test_it_can_be_switched_off() -> None:
    stream = Stream(lines=0)
    stream.send(3)
    assert stream.mean("hit_rate") is None


def test_river_is_loaded_when_it_is_needed_and_not_before() -> None:
    """It takes a second, and brings scipy."""
    code = "import sys, stream_rec.roles.worker; sys.exit('river' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    import_early().join()
    assert "river.drift" in sys.modules
