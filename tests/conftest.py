"""The broker for tests marked `kafka`: embedded by default, a container, or any broker that is named.

`--kafka HOST:PORT` uses that broker; `STREAM_REC_TEST_DOCKER=1` a container where Docker is usable.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_rec import config
from stream_rec.config import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kafka", metavar="HOST:PORT", help="use this broker instead of an embedded one")
    parser.addoption("--crash-events", type=int, default=6_000, metavar="N", help="events of the crash test")
    parser.addoption("--crash-kills", type=int, default=3, metavar="N", help="how often its worker is killed")
    parser.addoption("--fuzz-messages", type=int, default=5_000, metavar="N", help="messages of the live fuzz test")
    parser.addoption("--equality-log", metavar="FILE", help="log of the live-equals-backtest test; else a shop's")
    parser.addoption("--equality-events", type=int, default=150, metavar="N", help="how many of its events")
    parser.addoption("--equality-rate", type=float, metavar="R", help="send so many a second; else one after another")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real broker for the whole session."""
    if given := request.config.getoption("--kafka"):
        yield str(given)
    elif os.environ.get("STREAM_REC_TEST_DOCKER") == "1":
        yield from _container()
    else:
        from stream_rec.adapters import embedded_kafka

        folder = tmp_path_factory.mktemp("kafka")
        broker = embedded_kafka.start(folder, port=0, cache=config.user_cache_folder(), timeout_s=120)
        try:
            yield broker.bootstrap
        finally:
            broker.stop()


def _container() -> Iterator[str]:
    from testcontainers.kafka import KafkaContainer

    with KafkaContainer().with_kraft() as container:
        yield container.get_bootstrap_server()


@pytest.fixture
def live_settings(kafka: str, tmp_path: Path) -> Settings:
    """Settings of a shop of its own on the session's broker: fresh topics (created), group and data folder."""
    from stream_rec.adapters import topics

    suffix = uuid.uuid4().hex[:8]
    names = {name: f"{info.default}-{suffix}" for name, info in config.TopicSettings.model_fields.items()}
    settings = config.load(
        kafka={"bootstrap": kafka, "group": f"group-{suffix}"},
        topics=names,
        worker={"data_dir": tmp_path / "worker", "metrics_port": 0, "session_timeout_s": 6},
    )
    topics.create(settings)
    return settings
