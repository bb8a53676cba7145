"""Children live in sessions of their own, are restarted where asked, end in order and never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from stream_rec.adapters.supervisor import Child, Supervisor, spawn, stop

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def exits(code: int) -> list[str]:
    return [sys.executable, "-c", f"raise SystemExit({code})"]


def wait_until_gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_ctrl_c_does_not_reach_a_child() -> None:
    child = spawn(SLEEPS)
    try:
        assert os.getsid(child.pid) == child.pid != os.getsid(0)
    finally:
        assert stop(child, timeout_s=5) == -signal.SIGTERM


def test_a_child_can_stand_back_for_all_others() -> None:
    child, usual = spawn(SLEEPS, niceness=19), spawn(SLEEPS)
    try:
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
        assert os.getpriority(os.PRIO_PROCESS, usual.pid) == os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        stop(child, timeout_s=5)
        stop(usual, timeout_s=5)


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    spawn([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"], log=log).wait()
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    stubborn = f"import pathlib, signal, time; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch()"
    child = spawn([sys.executable, "-c", stubborn + "; time.sleep(60)"])
    while not ready.exists():
        time.sleep(0.02)
    assert stop(child, timeout_s=0.2) == -signal.SIGKILL


def test_a_child_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    parent_code = f"""
import pathlib, time
from stream_rec.adapters.supervisor import spawn
pathlib.Path({str(pid_file)!r}).write_text(str(spawn({SLEEPS!r}).pid) + " ")
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", parent_code], cwd=Path(__file__).parents[3])
    while not (pid_file.exists() and pid_file.read_text().endswith(" ")):
        time.sleep(0.02)
    time.sleep(0.3)  # the tether is tied before the child's own program runs
    parent.kill()
    parent.wait()
    assert wait_until_gone(int(pid_file.read_text()))


def test_an_exit_code_that_asks_for_it_restarts_the_child() -> None:
    starts: list[int] = []

    def start() -> subprocess.Popen[bytes]:
        starts.append(1)
        return spawn(exits(70) if len(starts) < 3 else exits(0))

    with Supervisor() as children:
        worker = children.add(Child("worker", start, restart_codes=frozenset({70}), restart_pause_s=0.0))
        ended = children.wait(20)
        assert ended is worker
        assert worker.process is not None
        assert (worker.restarts, worker.process.returncode) == (2, 0)


def test_children_stop_in_the_order_asked_for_and_the_rest_backwards() -> None:
    stopped: list[str] = []
    with Supervisor() as children:
        for name in ("broker", "metrics", "worker", "replay"):
            children.add(Child(name, lambda: spawn(SLEEPS)))
        stop_one = children.stop

        def noted(name: str) -> int | None:
            stopped.append(name)
            return stop_one(name)

        children.stop = noted  # type: ignore[method-assign]  # listen in on the order
        children.stop_all(order=["replay", "worker"])
    assert stopped == ["replay", "worker", "metrics", "broker"]
