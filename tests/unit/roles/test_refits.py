"""Around the second stage: a fit that is due is started, its forest tried, what is promoted kept for the next start."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from stream_rec.adapters.fit_process import FitOutcome
from stream_rec.adapters.metrics import PREFIX, Metrics
from stream_rec.core.presets import CascadeParams, FitParams
from stream_rec.core.ranking.cascade import Cascade
from stream_rec.core.ranking.forest_codec import encode_forest
from stream_rec.core.ranking.past_lists import Snapshot
from stream_rec.core.ranking.trees import Forest
from stream_rec.roles import refits
from stream_rec.roles.parts import Parts
from stream_rec.roles.refits import FOREST_FILE, Refits

NAMES = ("good", "noise")
LINEAR = np.array([0.3, 0.2, 0.1], np.float32)
FEATURES = np.array([[0, 0], [0, 1], [1, 0]], np.float32)  # `good` marks the target, whom the linear order has last
PARAMS = CascadeParams(past_lists=50, least_lists=10, refit_lists=40, trial_lists=3, leaf_rate=0.0)
FIT = FitParams(trees=3)


def stump(gain: float) -> Forest:
    """One question: is `good` at least 1? Then so much is added."""
    leaves = np.zeros((1, 64), np.float32)
    leaves[0, 63] = gain
    return Forest(np.zeros((1, 6), np.uint8), np.ones((1, 6), np.float32), leaves)


class FakeFits:
    """Stands where the process would: remembers what it was to fit, and has an outcome when the test says so."""

    def __init__(self) -> None:
        self.started: list[tuple[int, FitParams, int]] = []
        self.outcome: FitOutcome | None = None
        self.busy = False
        self.stopped = False

    def start(self, past: Snapshot, params: FitParams, seed: int) -> None:
        assert not self.busy
        self.busy = True
        self.started.append((len(past), params, seed))

    def poll(self) -> FitOutcome | None:
        outcome, self.outcome = self.outcome, None
        self.busy = self.busy and outcome is None
        return outcome

    def stop(self) -> None:
        self.stopped = True


class Worker:
    """A second stage, its refits, and a fit process that is none."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fits, self.metrics, self.event_ms = FakeFits(), Metrics(), 1_000
        monkeypatch.setattr(refits, "FitProcess", lambda: self.fits)
        users = SimpleNamespace(newest_event_ms=lambda: self.event_ms)
        parts = cast(Parts, SimpleNamespace(users=users, metrics=self.metrics))
        self.cascade = Cascade(NAMES, PARAMS)
        self.refits = Refits(parts, self.cascade, FIT, folder)
        self.file = folder / FOREST_FILE

    def learn(self, lists: int) -> None:
        for _ in range(lists):
            self.cascade.learn(FEATURES, LINEAR, 2, self.event_ms)

    def outcome(self, forest: Forest | None, error: str = "", seconds: float = 2.5) -> None:
        self.fits.outcome = FitOutcome(forest, error, seconds)

    def try_forest(self, gain: float) -> None:
        """Fit it, and let its trial run to the end."""
        self.outcome(stump(gain))
        self.refits.look()
        self.learn(PARAMS.trial_lists)
        self.refits.look()

    def on_trial(self) -> bool:
        return self.cascade._trial is not None

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(PREFIX + name, labels)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(tmp_path, monkeypatch)


def test_nothing_is_started_before_a_fit_is_due(worker: Worker) -> None:
    worker.learn(9)
    worker.refits.look()
    assert worker.fits.started == []
    worker.learn(1)
    worker.refits.look()
    assert worker.fits.started == [(10, FIT, 1)]


def test_one_fit_at_a_time_and_each_has_a_seed_of_its_own(worker: Worker) -> None:
    worker.learn(10)
    worker.refits.look()
    worker.learn(40)
    worker.refits.look()
    assert len(worker.fits.started) == 1
    worker.outcome(None, "killed")
    worker.refits.look()  # fetches the outcome
    worker.refits.look()
    assert worker.fits.started == [(10, FIT, 1), (50, FIT, 2)]


def test_the_newest_event_is_the_clock(worker: Worker) -> None:
    """A fit that is due by age alone: half of the past lists are new and a week of events has gone by."""
    worker.learn(30)
    worker.refits.look()
    worker.outcome(None, "killed")
    worker.refits.look()
    worker.learn(25)
    worker.refits.look()
    assert len(worker.fits.started) == 1
    worker.event_ms += PARAMS.refit_ms
    worker.refits.look()
    assert len(worker.fits.started) == 2


def test_a_fitted_forest_is_put_on_trial_and_counted(worker: Worker) -> None:
    worker.learn(10)
    worker.refits.look()
    worker.outcome(stump(1.0), seconds=7.0)
    worker.refits.look()
    assert (worker.on_trial(), worker.cascade.live) == (True, None)
    assert worker.value("fits_total", outcome="fitted") == 1
    assert worker.value("fit_seconds") == 7.0
    assert worker.value("second_stage_live") == 0
    assert not worker.file.exists()


def test_a_failed_fit_is_counted_and_said_and_changes_nothing(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.learn(10)
    worker.refits.look()
    worker.outcome(None, "fit process: need exit code 0; got -9.")
    with caplog.at_level(logging.WARNING):
        worker.refits.look()
    assert "a fit of the second stage failed: fit process: need exit code 0; got -9." in caplog.text
    assert worker.value("fits_total", outcome="failed") == 1
    assert worker.value("fits_total", outcome="fitted") == 0
    assert (worker.on_trial(), worker.cascade.live) == (False, None)
    assert not worker.file.exists()


def test_what_is_promoted_is_stored_and_live_at_the_next_start(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.learn(10)
    worker.try_forest(1.0)
    assert worker.value("fits_total", outcome="promoted") == 1
    assert worker.value("second_stage_live") == 1
    assert worker.file.read_bytes() == worker.cascade.state_bytes()
    assert os.listdir(tmp_path) == [FOREST_FILE]
    next_start = Worker(tmp_path, monkeypatch)
    next_start.refits.load()
    assert next_start.cascade.state_bytes() == worker.cascade.state_bytes()
    assert next_start.cascade.rerank(FEATURES, LINEAR).argmax() == 2


def test_a_decision_is_counted_once(worker: Worker) -> None:
    worker.learn(10)
    worker.try_forest(1.0)
    for _ in range(3):
        worker.refits.look()
    assert worker.value("fits_total", outcome="promoted") == 1


def test_what_is_dropped_is_counted_and_not_stored(worker: Worker) -> None:
    worker.learn(10)
    worker.try_forest(-1.0)
    assert worker.value("fits_total", outcome="dropped") == 1
    assert worker.value("fits_total", outcome="promoted") == 0
    assert not worker.file.exists()


def test_a_dropped_challenger_leaves_the_stored_forest_alone(worker: Worker) -> None:
    worker.learn(10)
    worker.try_forest(1.0)
    worker.file.write_bytes(b"as it was")
    worker.try_forest(-1.0)
    assert worker.value("fits_total", outcome="dropped") == 1
    assert worker.file.read_bytes() == b"as it was"


def test_a_write_that_breaks_off_costs_the_stored_forest_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker.learn(10)
    worker.try_forest(0.15)  # second place
    stored, write = worker.file.read_bytes(), Path.write_bytes

    def torn(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", torn)
    with caplog.at_level(logging.WARNING):
        worker.try_forest(1.0)
    assert worker.value("fits_total", outcome="promoted") == 2
    assert worker.file.read_bytes() == stored != worker.cascade.state_bytes()
    assert "the second stage could not be stored" in caplog.text


def test_a_first_start_has_nothing_to_load_and_nothing_to_say(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        worker.refits.load()
    assert (worker.cascade.live, caplog.records) == (None, [])


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"not a forest at all, but long enough to be one",
        encode_forest(stump(1.0), NAMES)[:-1],
        encode_forest(stump(1.0), NAMES)[:-5] + b"\xff" + encode_forest(stump(1.0), NAMES)[-4:],
        encode_forest(stump(1.0), ("another", "release")),
    ],
    ids=["empty", "other bytes", "torn", "one byte changed", "other features"],
)
def test_a_file_that_is_no_forest_of_this_release_is_passed_over_with_a_warning(
    worker: Worker, stored: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    worker.file.write_bytes(stored)
    with caplog.at_level(logging.WARNING):
        worker.refits.load()
    assert worker.cascade.live is None
    assert "the stored second stage is passed over: forest: need" in caplog.text
    worker.learn(10)
    worker.try_forest(1.0)
    assert worker.file.read_bytes() == worker.cascade.state_bytes()  # and the next promotion replaces it


def test_a_file_that_cannot_be_read_is_passed_over_too(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.file.mkdir()
    with caplog.at_level(logging.WARNING):
        worker.refits.load()
    assert worker.cascade.live is None
    assert "passed over" in caplog.text
