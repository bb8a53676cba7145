"""Start, watch and stop child processes: each in a session of its own, none outlives its parent.

A session of its own keeps Ctrl-C from reaching a child before the supervisor has decided the order of stopping.
A parent-death signal (Linux) stops the child when this process is killed without a chance to clean up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

POLL_S = 0.05

_TETHER = """
import ctypes, os, signal, sys
parent, argv = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG; survives exec
if os.getppid() != parent:  # died before the line above
    sys.exit(1)
os.execvp(argv[0], argv)
"""
# A tiny interpreter that replaces itself by the child: preexec_fn would fork this (threaded) process instead.


def spawn(
    argv: Sequence[str],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    outlives_parent: bool = False,
    niceness: int = 0,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own.

    Parameters
    ----------
    log
        File for its output, begun anew; None inherits stdout and stderr.
    outlives_parent
        True for a daemon. Else the child gets SIGTERM when the thread that called this ends (Linux).
    niceness
        0 to 19: how far the child stands back for others.
    """
    command = list(argv) if outlives_parent else [sys.executable, "-ISc", _TETHER, str(os.getpid()), *argv]
    output = None if log is None else log.open("wb")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    finally:
        if output:
            output.close()
    if niceness:
        _stand_back(process.pid, niceness)
    return process


def _stand_back(pid: int, niceness: int) -> None:
    """Lower a child's priority, and on Linux that of its session, which else gets as much of a core as any other."""
    with suppress(OSError):  # it has ended already, or this system knows no such groups
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def stop(process: subprocess.Popen[bytes], timeout_s: float) -> int:
    """Ask with SIGTERM, insist with SIGKILL after `timeout_s`; return the exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


@dataclass(slots=True)
class Child:
    """How to run one child, and how it is doing."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    stop_timeout_s: float = 15.0
    restart_codes: frozenset[int] = frozenset()  # exit codes after which it is started again; negative = signal
    restart_pause_s: float = 1.0
    restarts: int = 0
    process: subprocess.Popen[bytes] | None = None
    start_again_at: float = field(default=0.0, repr=False)


class Supervisor:
    """Children by name, stopped in the reverse order of their start unless told otherwise.

    Examples
    --------
    ::

        with Supervisor() as children:
            children.add(Child("worker", lambda: spawn([...]), restart_codes=frozenset({70})))
            while children.poll() is None:
                time.sleep(0.1)
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.children: dict[str, Child] = {}
        self._now = now

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def add(self, child: Child) -> Child:
        """Start a child and watch it."""
        self.children[child.name] = child
        child.process = child.start()
        return child

    def poll(self) -> Child | None:
        """Look at every child once; restart those that may be; return the first that ended for good.

        Call it continuously: a child that should be restarted waits for the next call.
        """
        for child in self.children.values():
            if child.process is None:
                if child.start_again_at and self._now() >= child.start_again_at:
                    child.start_again_at = 0.0
                    child.process = child.start()
                continue
            code = child.process.poll()
            if code is None:
                continue
            if code not in child.restart_codes:
                return child
            child.restarts += 1
            child.process = None
            child.start_again_at = self._now() + child.restart_pause_s
        return None

    def wait(self, seconds: float) -> Child | None:
        """Poll for `seconds`, or until a child ends for good."""
        deadline = self._now() + seconds
        while self._now() < deadline:
            if (ended := self.poll()) is not None:
                return ended
            time.sleep(POLL_S)
        return None

    def stop(self, name: str) -> int | None:
        """Stop one child and forget it; return its exit code, None if it was not running."""
        child = self.children.pop(name)
        return None if child.process is None else stop(child.process, child.stop_timeout_s)

    def stop_all(self, order: Sequence[str] = ()) -> None:
        """Stop the children of `order` first, the others in the reverse order of their start."""
        rest = [name for name in reversed(self.children) if name not in order]
        for name in [name for name in order if name in self.children] + rest:
            self.stop(name)
