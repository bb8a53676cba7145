"""Kafka's jars are pinned by hash, come from any Maven repository, and an interrupted download goes on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stream_rec.adapters import kafka_artifacts
from stream_rec.adapters.kafka_artifacts import Coordinate
from stream_rec.errors import ConfigError

JARS = {"one": b"first jar", "two": b"second jar"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def coordinate(name: str, content: bytes) -> Coordinate:
    return Coordinate("org.example", name, "1.0", hashlib.sha256(content).hexdigest())


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The address of a Maven repository that holds JARS."""
    for name, content in JARS.items():
        path = tmp_path / "repository" / "org" / "example" / name / "1.0" / f"{name}-1.0.jar"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        path.with_name(path.name + ".sha1").write_text(hashlib.sha1(content, usedforsecurity=False).hexdigest())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "repository")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_pinned_jar_has_a_coordinate_and_a_sha256_and_names_no_host() -> None:
    pinned = kafka_artifacts.pinned()
    assert len({c.file_name for c in pinned}) == len(pinned) > 30
    assert all(len(c.sha256) == 64 and "/" not in "".join(c) for c in pinned)
    assert kafka_artifacts.kafka_version().startswith("4.")


def test_what_is_fetched_is_complete_and_nothing_else_is_left(repository: str, tmp_path: Path) -> None:
    wanted = [coordinate(name, content) for name, content in JARS.items()]
    folder = tmp_path / "jars"
    kafka_artifacts.fetch(folder, wanted, mirror=repository)
    assert kafka_artifacts.missing(folder, wanted) == []
    assert sorted(path.name for path in folder.iterdir()) == ["one-1.0.jar", "two-1.0.jar"]


def test_a_torn_jar_counts_as_missing_and_is_replaced(repository: str, tmp_path: Path) -> None:
    wanted = [coordinate("one", JARS["one"])]
    (tmp_path / "one-1.0.jar").write_bytes(JARS["one"][:4])
    assert kafka_artifacts.missing(tmp_path, wanted) == wanted
    kafka_artifacts.fetch(tmp_path, wanted, mirror=repository)
    assert (tmp_path / "one-1.0.jar").read_bytes() == JARS["one"]


@pytest.mark.parametrize(("name", "got"), [("one", "bytes with sha256"), ("three", "not found")])
def test_wrong_bytes_are_refused_and_the_complete_jars_stay(
    name: str, got: str, repository: str, tmp_path: Path
) -> None:
    folder = tmp_path / "jars"
    good = coordinate("two", JARS["two"])
    kafka_artifacts.fetch(folder, [good], mirror=repository)
    with pytest.raises(ConfigError, match=rf"need {name}-1\.0\.jar with sha256 .*; got .*{got}") as error:
        kafka_artifacts.fetch(folder, [coordinate(name, b"something else")], mirror=repository)
    assert "\n" not in str(error.value)
    assert [path.name for path in folder.iterdir()] == ["two-1.0.jar"]
