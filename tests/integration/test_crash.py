"""A worker killed with -9 again and again, catching up, starting, live, and once without its disk: 0 lost, 0 twice.

`--crash-events 50000 --crash-kills 10` is the full size.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from subprocess import Popen

import pytest

from stream_rec.adapters.supervisor import Child, Supervisor, spawn
from stream_rec.config import Settings, environment_of
from tests.integration.ledger import assert_exact
from tests.integration.live_log import Progress, sending, shop_log, with_worker

pytestmark = pytest.mark.kafka

LIMIT_S = 180.0
LIVE_PER_S = 1_000.0
POLL_S = 0.02
EXIT_STOPPED_AT_ONCE = 70


class Story:
    """One worker under a supervisor that restarts it at once."""

    def __init__(self, settings: Settings, progress: Progress, children: Supervisor, folder: Path) -> None:
        self.settings = settings
        self.progress = progress
        self.children = children
        self._folder = folder
        self.random = Random(7)
        self.kills = 0
        self.began_s = time.monotonic()

    def begin(self) -> None:
        """Start the worker; each of its lives logs to a file of its own."""
        child = Child("worker", self._spawn, restart_codes=frozenset({-9, EXIT_STOPPED_AT_ONCE}))
        child.restart_pause_s = 0.0
        self.children.add(child)

    def until(self, done: Callable[[], bool], what: str, poll_s: float = 0.2) -> None:
        """Wait, restarting the worker whenever it is dead."""
        end = time.monotonic() + LIMIT_S
        while not done():
            assert self.children.poll() is None, self.log().read_text()
            assert time.monotonic() < end, f"waited {LIMIT_S} s for {what}"
            time.sleep(poll_s)

    def kill_after(self, lists: int, *, wipe: bool = False) -> None:
        """Kill the worker a moment after it has published so many more lists."""
        goal = self.progress.lists() + lists
        self.until(lambda: self.progress.lists() >= goal, f"{lists} more lists", POLL_S)
        time.sleep(self.random.uniform(0, 0.03))  # anywhere in a round
        self._kill(f"after {lists} lists", wipe)

    def kill_while_starting(self) -> None:
        """Kill the worker that was restarted a moment ago, wherever it is."""
        at = time.monotonic() + self.random.uniform(1, 4)
        self.until(lambda: time.monotonic() > at, "a moment", POLL_S)
        self._kill("while starting", wipe=False)

    def _kill(self, when: str, wipe: bool) -> None:
        process = self.children.children["worker"].process
        assert process is not None
        process.kill()
        process.wait()
        if wipe:
            shutil.rmtree(self.settings.worker.data_dir)
        self.children.poll()
        self.kills += 1
        print(f"{time.monotonic() - self.began_s:5.0f} s: kill {self.kills} {when}{', disk lost' * wipe}")

    def log(self) -> Path:
        """Return the file of the present life."""
        return self._folder / f"worker.{self.kills}.txt"

    def _spawn(self) -> Popen[bytes]:
        command = [sys.executable, "-m", "stream_rec", "worker"]
        return spawn(command, log=self.log(), env=environment_of(self.settings))


@pytest.fixture
def story(live_settings: Settings, tmp_path: Path) -> Iterator[Story]:
    settings = with_worker(live_settings, round_records=100, batch_records=50)  # many rounds to die in
    with Progress(settings) as progress, Supervisor() as children:
        yield Story(settings, progress, children, tmp_path)


def test_no_event_is_lost_or_counted_twice(story: Story, request: pytest.FixtureRequest) -> None:
    n, kills = request.config.getoption("--crash-events"), request.config.getoption("--crash-kills")
    catching_up = kills // 2
    live = kills - catching_up
    log = iter(shop_log(story.settings, n))
    with sending(story.settings, list(islice(log, n // 2))):  # all of it waits when the worker starts
        pass
    story.begin()
    for kill in range(catching_up):
        if kill == 2:
            story.kill_while_starting()
        else:
            story.kill_after(lists=story.random.randint(20, n // (8 * catching_up)))
    for kill in range(live):
        story.until(lambda: not story.progress.waiting(), "every event applied")
        with sending(story.settings, list(islice(log, -(-n // 2 // live))), LIVE_PER_S) as replay:
            story.kill_after(lists=story.random.randint(5, 50), wipe=kill == 0)
            story.until(replay.done, "every event sent")
    story.until(story.progress.drained, "every event and every delta committed")
    assert story.kills == kills
    assert story.children.stop("worker") == 0
    expected = assert_exact(story.settings)
    assert expected.events.total() == n
    print(f"{n:,} events, {kills} kills: {len(expected.events):,} users and {len(expected.items):,} items exact")
