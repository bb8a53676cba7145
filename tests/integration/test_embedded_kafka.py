"""The embedded broker is a real one: it answers, keeps its data, refuses what would clash, leaves nothing behind."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest

from stream_rec import config
from stream_rec.adapters import embedded_kafka, topics
from stream_rec.config import Settings
from stream_rec.errors import ConfigError

pytestmark = pytest.mark.kafka


def start(folder: Path) -> embedded_kafka.Broker:
    return embedded_kafka.start(folder, port=0, cache=config.user_cache_folder(), timeout_s=120)


def settings_for(broker: embedded_kafka.Broker) -> Settings:
    return config.load(kafka={"bootstrap": broker.bootstrap})


def test_a_broker_from_start_to_restart(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    first = start(folder)
    try:
        cluster = topics.cluster_id(settings_for(first))
        topics.create(settings_for(first))
        assert embedded_kafka.find(folder) == embedded_kafka.Broker(folder, first.port, first.pid)
        with pytest.raises(ConfigError, match="need no broker running in"):
            start(folder)
        assert addresses(first.pid) == {embedded_kafka.HOST}
    finally:
        first.stop()
    assert not psutil.pid_exists(first.pid)
    assert embedded_kafka.find(folder) is None
    first.stop()  # twice is fine

    second = start(folder)
    try:
        assert topics.cluster_id(settings_for(second)) == cluster
        assert topics.check(settings_for(second)) == 4
        by_pid = embedded_kafka.find(folder)  # as another process sees it
        assert by_pid is not None
    finally:
        second.stop()


def addresses(pid: int) -> set[str]:
    listening = [c for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return {c.laddr.ip.removeprefix("::ffff:") for c in listening}


def test_a_taken_port_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((embedded_kafka.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"need port {port} of 127\.0\.0\.1 free; got .*KAFKA_EMBEDDED__PORT"):
            embedded_kafka.start(tmp_path / "kafka", port=port, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "meta.properties").write_text("version=1\n")  # formatted by nobody
    with pytest.raises(
        ConfigError, match=r"need a broker that keeps running; got exit code \d+: .*See .*broker\.log"
    ) as e:
        start(folder)
    assert "\n" not in str(e.value)
    assert embedded_kafka.find(folder) is None


def test_a_foreign_process_under_the_old_pid_is_not_taken_for_the_broker(tmp_path: Path) -> None:
    (tmp_path / "broker.json").write_text(f'{{"pid": {psutil.Process().pid}, "port": 1}}')
    assert embedded_kafka.find(tmp_path) is None
