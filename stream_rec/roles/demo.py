"""`make demo`: a real broker, a worker, a replay and a page; started in order, ended in order, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from stream_rec.adapters import download_progress, embedded_kafka, kafka_artifacts, topics
from stream_rec.adapters.supervisor import Child, Supervisor, spawn
from stream_rec.config import Settings, environment_of, user_cache_folder
from stream_rec.errors import ConfigError, StateError
from stream_rec.roles.demo_feed import Feed
from stream_rec.roles.demo_model import DemoModel, ModelPlan
from stream_rec.roles.demo_page import page, plain_line, plain_list, summary
from stream_rec.roles.demo_scene import Scene
from stream_rec.roles.demo_watch import processed

TICK_S, LINE_S = 0.25, 1.0
WORKER_START_S = 180.0
FINISH_S = 3.0
QUIET_S = 30.0  # all is sent and nothing moves for so long: something is lost
EXIT_CONFIG, EXIT_STATE = 2, 70  # the worker's exit codes
RESTART = frozenset({EXIT_STATE, -signal.SIGKILL})
INTERRUPTED = 130
COMPILE = """
from stream_rec.config import load
from stream_rec.roles.warmup import warm_up
from stream_rec.roles.worker import plane_settings
settings = load()
warm_up(plane_settings(settings, settings.kafka.partitions), settings.ranking.chosen_preset())
"""


@dataclass(frozen=True)
class DemoPlan:
    """How a demo runs: `rate` events/s (`None`: as fast as it goes), at most `seconds`, its files in `folder`.

    `model`: how a sequence model comes about behind it; `None`: it does not.
    """

    rate: float | None
    seconds: float | None
    folder: Path
    model: ModelPlan | None = None


class Demo:
    """One demo from start to end.

    Parameters
    ----------
    settings
        Of the broker and the worker to start.
    feed
        What to replay.
    plan
        How fast and how long.
    console
        A terminal gets the page, anything else plain lines.
    """

    def __init__(self, settings: Settings, feed: Feed, plan: DemoPlan, console: Console) -> None:
        self._settings, self._feed, self._plan, self._console = settings, feed, plan, console
        self._model = None if plan.model is None else DemoModel(settings, plan.model, plan.folder)
        self._scene = Scene(settings, feed, plan.rate, self._model)
        self._worker_log = plan.folder / "worker.log"
        self._broker: embedded_kafka.Broker | None = None

    def run(self) -> int:
        """Start everything, show it until the end, stop everything; return the exit code.

        Raises
        ------
        ConfigError, StateError
            A part could not start or ended for good; what was started is stopped.
        """
        children = Supervisor()
        with _signals_interrupt():
            try:
                children.add(Child("compiler", self._compile))
                self._start_broker()
                self._start_worker(children)
                self._scene.reader.start()
                self._scene.sender.start()
                return self._watch(children)
            except KeyboardInterrupt:
                return 0 if self._feed.total is None else INTERRUPTED
            finally:
                self._stop(children)

    def _start_broker(self) -> None:
        embedded, cache = self._settings.kafka_embedded, user_cache_folder()
        missing = kafka_artifacts.missing(cache / "kafka")
        self._say("starting Kafka" + (f", fetching its {len(missing)} jars first (43 MB)" if missing else ""))
        with download_progress.shown(f"Kafka {kafka_artifacts.kafka_version()}") as progress:
            self._broker = embedded_kafka.start(
                embedded.folder,
                port=embedded.port,
                heap_mb=embedded.heap_mb,
                timeout_s=embedded.start_timeout_s,
                cache=cache,
                mirror=embedded.maven_mirror,
                progress=progress,
            )
        created = topics.create(self._settings)
        self._say(f"Kafka is up at {self._broker.bootstrap}" + (f", {len(created)} topics created" if created else ""))

    def _compile(self) -> subprocess.Popen[bytes]:
        """Compile the kernels into numba's cache while the broker starts: the first list comes the sooner."""
        environment = environment_of(self._settings)
        return spawn([sys.executable, "-c", COMPILE], log=self._plan.folder / "compile.log", env=environment)

    def _wait_for_compiler(self, children: Supervisor) -> None:
        """Its failure is no matter: the worker would meet it again and say so."""
        compiler = children.children["compiler"].process
        if compiler is not None and compiler.poll() is None:
            self._say("compiling the kernels (the first start only)")
            compiler.wait(WORKER_START_S)
        children.stop("compiler")

    def _start_worker(self, children: Supervisor) -> None:
        self._wait_for_compiler(children)
        command, environment = [sys.executable, "-m", "stream_rec", "worker"], environment_of(self._settings)
        self._say("starting the worker")
        children.add(
            Child("worker", lambda: spawn(command, log=self._worker_log, env=environment), restart_codes=RESTART)
        )
        scrape, deadline = self._scene.scrape, time.monotonic() + WORKER_START_S
        while not (scrape.refresh() and scrape.gauge("partitions") >= self._settings.kafka.partitions):
            self._check(children)
            if time.monotonic() > deadline:
                raise StateError(f"worker: need it ready in {WORKER_START_S:.0f} s; got none. See {self._worker_log}.")
            time.sleep(TICK_S)
        self._say("the worker is ready")

    def _check(self, children: Supervisor) -> None:
        """Raise if a part of the demo has ended for good."""
        if (ended := children.poll()) is not None:
            code = ended.process.returncode if ended.process else None
            said = self._worker_log.read_text(errors="replace").strip().rpartition("\n")[2][-300:]
            message = f"worker: need it running; got exit code {code}: {said or 'no output'} See {self._worker_log}."
            raise ConfigError(message) if code == EXIT_CONFIG else StateError(message)
        for failure in (self._scene.sender.failure, self._scene.reader.failure):
            if failure:
                raise StateError(failure)

    def _watch(self, children: Supervisor) -> int:
        scene, began = self._scene, time.monotonic()
        moved, before = began, (-1.0, -1)
        with self._screen() as draw:
            while True:
                self._check(children)
                if self._plan.seconds is not None and time.monotonic() - began >= self._plan.seconds:
                    scene.sender.finish()
                scene.scrape.refresh()
                scene.advance()
                if self._model is not None and scene.live:
                    self._model.advance()
                if not scene.sender.is_alive():
                    scene.phase = "finishing"
                    if scene.caught_up() and not scene.without_list():
                        break
                state = (processed(scene.scrape), len(scene.reader.users))
                if state != before or scene.sender.is_alive():
                    moved, before = time.monotonic(), state
                elif time.monotonic() - moved > QUIET_S:
                    break
                draw()
                time.sleep(TICK_S)
        return self._sum_up(time.monotonic() - began)

    def _sum_up(self, seconds: float) -> int:
        scene = self._scene
        scene.phase, missing, shot = "done", scene.without_list(), scene.snapshot()
        self._console.print(summary(shot, len(scene.sender.users), missing, seconds), highlight=False, soft_wrap=True)
        return 0 if not missing and shot.sent == shot.processed else 1

    @contextmanager
    def _screen(self) -> Iterator[Callable[[], None]]:
        """Give a function that shows the present state: the page, or a line a second."""
        scene, console = self._scene, self._console
        if console.is_terminal:
            with Live(console=console, auto_refresh=False, screen=False, vertical_overflow="crop") as live:
                yield lambda: live.update(page(scene.snapshot(), console.height), refresh=True)
            return
        last = 0.0

        def lines() -> None:
            nonlocal last
            if time.monotonic() - last >= LINE_S:
                last, shot = time.monotonic(), scene.snapshot()
                self._say(plain_line(shot))
                for shown in shot.newest[:1]:
                    self._say(plain_list(shown))

        yield lines

    def _stop(self, children: Supervisor) -> None:
        """End the replay, the worker and the broker, in this order; a second Ctrl-C does not disturb it."""
        sender, reader = self._scene.sender, self._scene.reader
        if self._model is not None:
            self._model.stop()
        if sender.is_alive():
            sender.end()
        if sender.sent:
            self._feed.save(sender.sent)
            self._let_the_worker_finish()
        children.stop_all()
        if reader.is_alive():
            reader.end()
        if self._broker is not None:
            self._broker.stop()
            self._say("replay, worker and Kafka have ended")

    def _let_the_worker_finish(self) -> None:
        """Give the worker a moment for what is on its way; the rest would be learned at the next start."""
        deadline = time.monotonic() + FINISH_S
        while time.monotonic() < deadline and self._scene.scrape.refresh() and not self._scene.caught_up():
            time.sleep(TICK_S)

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Make the first SIGINT or SIGTERM a KeyboardInterrupt and ignore all later ones, so that the ending is orderly."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
