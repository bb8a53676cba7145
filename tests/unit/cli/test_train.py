"""`stream-rec train`: a log and its catalogue become a version that is live, for a person and for a machine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.topic_log import TopicLog
from stream_rec.cli.app import build_app
from stream_rec.config import Settings
from stream_rec.errors import ConfigError
from stream_rec.shop import Shop
from stream_rec.shop.files import write_catalogue, write_events


@pytest.fixture
def log(tmp_path: Path) -> Path:
    shop = Shop(30, 40, 1)
    write_events(tmp_path / "log.csv", shop, shop.first(1_200))
    write_catalogue(tmp_path / "items.csv", shop.catalogue)
    return tmp_path / "log.csv"


def printed(*arguments: str | Path) -> str:
    done = CliRunner().invoke(build_app("train"), ["train", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_log_with_a_catalogue_becomes_a_version(log: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    words = (log, "--items", tmp_path / "items.csv", "--quick", "--test", "0.1", "--train", "0.8", "--out", models)
    figures = json.loads(printed(*words, "--json"))
    assert (figures["version"], figures["decision"]["action"], figures["live"]) == ("v0001", "promote", "v0001")
    assert figures["data"]["texts"] == 40
    assert 0 <= figures["metrics"]["student"]["hr20"] <= 1
    assert Path(figures["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_ids_only_for_a_person(log: Path, tmp_path: Path) -> None:
    text = printed(log, "--quick", "--no-promote", "--out", tmp_path / "models")
    assert "tables, int8" in text
    assert "v0001, not decided" in text
    assert "live now: none" in text


def test_shares_that_overlap_are_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need shares that do not overlap"):
        printed(log, "--train", "0.9", "--test", "0.2", "--out", tmp_path)


def test_announce_without_a_broker_is_refused_before_training(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_rec.adapters.log_replay.BOOTSTRAP_TIMEOUT_MS", 200)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1\b"):
        printed(log, "--announce", "--kafka", "127.0.0.1:1", "--out", tmp_path / "models")
    assert not (tmp_path / "models").exists(), "nothing was trained"


class Cluster:
    """Stands for Kafka and for training: notes which brokers were asked for what, in order."""

    def __init__(self, patch: pytest.MonkeyPatch, topics: set[str]) -> None:
        self.asked: list[tuple[str, str]] = []
        self._topics = topics
        patch.setattr("stream_rec.adapters.model_announcements.open_producer", self.open)
        patch.setattr("stream_rec.adapters.model_announcements.announce", self.announce)
        patch.setattr("stream_rec.adapters.topic_log.read_topics", self.read)
        patch.setattr("stream_rec.roles.trainer.train", self.train)

    def open(self, bootstrap: str, client_id: str) -> Cluster:
        self.asked.append(("look", bootstrap))
        return self

    def partitions_for(self, topic: str) -> set[int]:
        return {0} if topic in self._topics else set()

    def close(self) -> None:
        """Nothing is open."""

    def read(self, bootstrap: str, topics: object, report: object) -> TopicLog:
        self.asked.append(("read", bootstrap))
        return TopicLog([], {}, Counter())

    def train(self, *_: object) -> SimpleNamespace:
        self.asked.append(("train", ""))
        return SimpleNamespace(is_promoted=True, as_dict=dict)

    def announce(self, settings: Settings, registry: ModelRegistry) -> None:
        self.asked.append(("announce", settings.kafka.bootstrap))


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("STREAM_REC_KAFKA__BOOTSTRAP", "configured:9092")
    return monkeypatch


def test_the_brokers_read_from_are_those_announced_to(configured: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cluster = Cluster(configured, {"models"})
    printed("--from-topic", "--announce", "--kafka", "other:9092", "--out", tmp_path, "--json")
    assert cluster.asked == [("look", "other:9092"), ("read", "other:9092"), ("train", ""), ("announce", "other:9092")]


def test_a_missing_topic_is_said_before_training(configured: pytest.MonkeyPatch, log: Path, tmp_path: Path) -> None:
    cluster = Cluster(configured, set())
    with pytest.raises(ConfigError, match="topic models: need it to exist"):
        printed(log, "--announce", "--out", tmp_path, "--json")
    assert cluster.asked == [("look", "configured:9092")]
