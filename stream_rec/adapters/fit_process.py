"""The background fit: a child process of low priority that gets a training set as a file and leaves a forest as one.

A process and not a thread: a fit is seconds of compiled code that holds the interpreter while it prepares, and one that
runs out of memory takes only itself along. Its files are numpy arrays and the forest's own record; nothing is pickled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np

from stream_rec.adapters.supervisor import spawn, stop
from stream_rec.core.presets import FitParams
from stream_rec.core.ranking.forest_codec import decode_forest
from stream_rec.core.ranking.past_lists import Snapshot, TrainingLists
from stream_rec.core.ranking.trees import Forest
from stream_rec.errors import StreamRecError

TRAINING_FILE, FOREST_FILE, LOG_FILE = "training.npz", "forest.bin", "fit.log"
TIMEOUT_S = 900.0
_ONE_THREAD = dict.fromkeys(
    ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)  # fmt: skip
_LOG_TAIL = 500


class FitOutcome(NamedTuple):
    """What became of a fit: a forest, or what went wrong."""

    forest: Forest | None
    error: str
    seconds: float


@dataclass(slots=True)
class _Fit:
    folder: Path
    command: list[str]
    started_s: float
    writing: Thread | None = None
    write_error: str = ""
    process: subprocess.Popen[bytes] | None = None


class FitProcess:
    """At most one fit at a time, beside a process that must not wait for it.

    `start` copies nothing and returns at once: a thread copies and writes the past lists, the first `poll` after that
    starts the child, and a later one brings the outcome. No failure of a fit is raised here; it is an outcome.

    Parameters
    ----------
    timeout_s
        A fit that takes longer is killed and has failed.
    python
        How to run the child's module.
    now
        Seconds.

    Notes
    -----
    Call `poll` from a thread that lives as long as the process (the event loop's): on Linux the child gets SIGTERM
    when the thread that started it ends. The temporary folder goes with the outcome; after a kill of this process what
    remains of it is small, since the child deletes the training set once it has read it.

    Examples
    --------
    ::

        fits = FitProcess()
        fits.start(cascade.begin_fit(event_ms), FitParams(), seed=1)
        ...
        if (outcome := fits.poll()) and outcome.forest:
            cascade.offer(outcome.forest)
    """

    def __init__(
        self,
        timeout_s: float = TIMEOUT_S,
        python: tuple[str, ...] = (sys.executable, "-m", "stream_rec.roles.fit_worker"),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_s, self._python, self._now = timeout_s, python, now
        self._fit: _Fit | None = None

    @property
    def busy(self) -> bool:
        """Whether a fit runs whose outcome has not been fetched."""
        return self._fit is not None

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self._fit.process.pid if self._fit and self._fit.process else None

    def start(self, past: Snapshot, params: FitParams, seed: int) -> None:
        """Begin a fit.

        Raises
        ------
        StreamRecError
            A fit is running.
        """
        if self._fit:
            raise StreamRecError("fit process: need none running; got one. Poll until `busy` is false.")
        folder = Path(tempfile.mkdtemp(prefix="stream-rec-fit-"))
        command = [*self._python, str(folder), str(seed), json.dumps(asdict(params))]
        self._fit = fit = _Fit(folder, command, self._now())
        fit.writing = Thread(target=_write, args=(fit, past), name="fit-training-set", daemon=True)
        fit.writing.start()

    def poll(self) -> FitOutcome | None:
        """Look after the fit, without waiting; return its outcome once."""
        fit = self._fit
        if fit is None or (fit.writing and fit.writing.is_alive()):
            return None
        if fit.write_error:
            return self._end(fit, None, fit.write_error)
        try:
            return self._look(fit)
        except (OSError, StreamRecError) as error:
            return self._end(fit, None, f"{type(error).__name__}: {error}")

    def stop(self) -> None:
        """Give up the fit that runs, if any; waits a moment for its end."""
        if fit := self._fit:
            if fit.writing:
                fit.writing.join()
            self._end(fit, None, "stopped")

    def _look(self, fit: _Fit) -> FitOutcome | None:
        if fit.process is None:
            fit.process = spawn(fit.command, log=fit.folder / LOG_FILE, env={**os.environ, **_ONE_THREAD})
            return None
        code = fit.process.poll()
        if code == 0:
            return self._end(fit, decode_forest((fit.folder / FOREST_FILE).read_bytes(), ()), "")
        if code is not None:
            said = (fit.folder / LOG_FILE).read_text(errors="replace")[-_LOG_TAIL:].strip() or "nothing"
            return self._end(fit, None, f"fit process: need exit code 0; got {code}. It said: {said}")
        if self._now() - fit.started_s > self._timeout_s:
            return self._end(
                fit, None, f"fit process: need an end within {self._timeout_s:g} s; got none. It is killed."
            )
        return None

    def _end(self, fit: _Fit, forest: Forest | None, error: str) -> FitOutcome:
        if fit.process:
            stop(fit.process, timeout_s=0.0)
        shutil.rmtree(fit.folder, ignore_errors=True)
        self._fit = None
        return FitOutcome(forest, error, self._now() - fit.started_s)


def _write(fit: _Fit, past: Snapshot) -> None:
    try:
        np.savez(fit.folder / TRAINING_FILE, **past.training_set()._asdict())
    except OSError as error:
        fit.write_error = f"fit process: need room for a training set in {fit.folder}; got {error}. Set TMPDIR."


def read_training(path: Path) -> TrainingLists:
    """Return the training set of a file and delete it: once read it is only a copy to be left behind."""
    with np.load(path, allow_pickle=False) as stored:
        training = TrainingLists(**{name: stored[name] for name in TrainingLists._fields})
    path.unlink()
    return training
