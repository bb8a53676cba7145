"""The background fit as a real process: it brings a forest, or says why not, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stream_rec.adapters.fit_process import FitOutcome, FitProcess
from stream_rec.core.presets import FitParams
from stream_rec.core.ranking.past_lists import Snapshot
from stream_rec.core.ranking.tree_fit import fit_forest
from stream_rec.errors import StreamRecError
from stream_rec.roles.fit_worker import NICENESS
from tests.twins.structured_lists import structured_lists

PAST = structured_lists(seed=1, lists=200).past(0, 200).snapshot()
TRAINING = PAST.training_set()
QUICK = FitParams(trees=5, depth=3)
SLEEPS = (sys.executable, "-c", "import time; print('asleep', flush=True); time.sleep(60)")
DEADLINE_S = 120.0  # a first fit compiles
LEAST_PRIORITY = 19


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folders of a test are its own, so that it sees what is left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def fits() -> Iterator[FitProcess]:
    process = FitProcess()
    yield process
    process.stop()


def wait_for(what: Callable[[], object], seconds: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def outcome_of(fits: FitProcess) -> FitOutcome:
    deadline = time.monotonic() + DEADLINE_S
    while (outcome := fits.poll()) is None:
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return outcome


def running(fits: FitProcess) -> psutil.Process:
    """The child, once its own program runs."""
    wait_for(lambda: fits.poll() or fits.pid)
    assert fits.pid is not None
    child = psutil.Process(fits.pid)
    wait_for(lambda: "-ISc" not in child.cmdline())  # before that it is the tether of `supervisor.py`
    return child


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_forest_is_the_one_a_call_would_give(fits: FitProcess, temporary: Path) -> None:
    fits.start(PAST, QUICK, seed=3)
    outcome = outcome_of(fits)
    assert outcome.error == ""
    assert outcome.forest is not None
    assert [a.tobytes() for a in outcome.forest] == [a.tobytes() for a in fit_forest(TRAINING, QUICK, seed=3)]
    assert (fits.busy, fits.poll(), list(temporary.iterdir())) == (False, None, [])


def test_one_fit_at_a_time_and_another_one_after_it(fits: FitProcess) -> None:
    for _ in range(2):
        fits.start(PAST, QUICK, seed=1)
        with pytest.raises(StreamRecError, match="fit process: need none running"):
            fits.start(PAST, QUICK, seed=1)
        assert outcome_of(fits).forest is not None


def test_the_child_is_of_low_priority_and_a_session_of_its_own(fits: FitProcess) -> None:
    fits.start(PAST, FitParams(trees=100_000), seed=1)
    child = running(fits)
    wait_for(lambda: child.nice() == min(LEAST_PRIORITY, os.nice(0) + NICENESS))
    assert os.getsid(child.pid) == child.pid
    fits.stop()
    assert gone(child.pid)


def test_polling_does_not_wait() -> None:
    fits = FitProcess(python=SLEEPS)
    fits.start(PAST, QUICK, seed=1)
    running(fits)
    started = time.monotonic()
    assert [fits.poll() for _ in range(100)] == [None] * 100
    assert time.monotonic() - started < 5.0
    fits.stop()


def test_a_killed_fit_is_an_outcome(temporary: Path) -> None:
    fits = FitProcess(python=SLEEPS)
    fits.start(PAST, QUICK, seed=1)
    child = running(fits)
    wait_for(lambda: [log for log in temporary.glob("*/fit.log") if log.read_text()])
    child.kill()
    outcome = outcome_of(fits)
    assert outcome.forest is None
    assert outcome.error == f"fit process: need exit code 0; got {-signal.SIGKILL}. It said: asleep"
    assert (fits.busy, list(temporary.iterdir())) == (False, [])


def test_a_fit_that_refuses_its_lists_says_why(fits: FitProcess) -> None:
    fits.start(Snapshot([TRAINING._replace(targets=TRAINING.targets - 100)]), QUICK, seed=1)
    outcome = outcome_of(fits)
    assert outcome.forest is None
    assert "got 1. It said:" in outcome.error
    assert "need lists that hold their targets" in outcome.error


def test_a_child_that_leaves_no_forest_or_half_of_one_has_failed() -> None:
    writes = "import pathlib, sys; pathlib.Path(sys.argv[1], 'forest.bin').write_bytes(b'half')"
    for program, error in (
        ("pass", "FileNotFoundError"),
        (writes, "CorruptStateError: forest: need at least 16 bytes"),
    ):
        fits = FitProcess(python=(sys.executable, "-c", program))
        fits.start(PAST, QUICK, seed=1)
        outcome = outcome_of(fits)
        assert outcome.forest is None
        assert outcome.error.startswith(error)


def test_a_program_that_cannot_be_started_has_failed() -> None:
    fits = FitProcess(python=("/does/not/exist",))
    fits.start(PAST, QUICK, seed=1)
    assert "got 1. It said:" in outcome_of(fits).error


def test_a_fit_that_takes_too_long_is_killed() -> None:
    fits = FitProcess(timeout_s=0.0, python=SLEEPS)
    fits.start(PAST, QUICK, seed=1)
    wait_for(lambda: fits.poll() or fits.pid)
    pid = fits.pid
    outcome = outcome_of(fits)
    assert "need an end within 0 s" in outcome.error
    assert pid is not None
    assert gone(pid)


def test_no_room_for_the_training_set_is_an_outcome(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stream_rec.adapters.fit_process.np.savez", full)
    fits = FitProcess()
    fits.start(PAST, QUICK, seed=1)
    assert "need room for a training set" in outcome_of(fits).error
    assert list(temporary.iterdir()) == []


def test_a_fit_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    parent_code = f"""
import pathlib, time
from stream_rec.adapters.fit_process import FitProcess
from tests.integration.test_fit_process import PAST, QUICK, SLEEPS
fits = FitProcess(python=SLEEPS)
fits.start(PAST, QUICK, seed=1)
while not fits.pid:
    fits.poll()
pathlib.Path({str(pid_file)!r}).write_text(str(fits.pid) + " ")
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code], cwd=Path(__file__).parents[2], env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    wait_for(lambda: pid_file.exists() and pid_file.read_text().endswith(" "))
    wait_for(lambda: [log for log in tmp_path.glob("*/fit.log") if log.read_text()])  # the tether is tied
    parent.kill()
    parent.wait()
    wait_for(lambda: gone(int(pid_file.read_text())), seconds=10)
