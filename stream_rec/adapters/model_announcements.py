"""Telling the workers which version is live: one record of `models`."""

from __future__ import annotations

import logging
import time

import msgspec

from stream_rec.adapters.log_replay import BOOTSTRAP_TIMEOUT_MS, check_topics, open_producer
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, weights_bytes
from stream_rec.config import Settings
from stream_rec.core.wire import SEQUENCE, AnnouncedVersion, ModelAnnouncement
from stream_rec.errors import ConfigError

CHECKSUM_DIGITS = 8

log = logging.getLogger(__name__)


def vectors_name(registry: ModelRegistry, version: str) -> str:
    """Return what the rows of a version lie under in `item-vectors`."""
    return f"{version}-{registry.manifest(version).files[TABLES_FILE].sha256[:CHECKSUM_DIGITS]}"


def announcement_of(registry: ModelRegistry, announced_at_ms: int) -> ModelAnnouncement:
    """Return the announcement of the live version.

    Raises
    ------
    ConfigError
        No version is live, or its files are damaged.
    """
    state = registry.state()
    if state.live is None:
        raise ConfigError(f"{registry.folder}: need a live version; got none. Run `stream-rec models promote VERSION`.")
    reasons = [one.reason for one in state.decisions if one.action != "keep"]
    return ModelAnnouncement(
        name=SEQUENCE,
        announced_at_ms=announced_at_ms,
        reason=reasons[-1] if reasons else "",
        live=_announced(registry, state.live),
        before=_before(registry),
    )


def _before(registry: ModelRegistry) -> AnnouncedVersion | None:
    """Return the version before the live one, if there is one and its files are whole: a rollback is no promotion."""
    version = registry.version_before()
    try:
        return None if version is None else _announced(registry, version)
    except ConfigError as error:
        log.warning("announced without the version before, to which nobody can go back: %s", error)
        return None


def _announced(registry: ModelRegistry, version: str) -> AnnouncedVersion:
    return AnnouncedVersion(
        version=version,
        vectors=vectors_name(registry, version),
        weights=weights_bytes(registry.tables(version).weights),
        facts=registry.manifest(version).facts,
    )


def check_announcing(settings: Settings) -> None:
    """Raise ConfigError where an announcement could not be sent: no broker answers, or there is no such topic."""
    producer = open_producer(settings.kafka.bootstrap, settings.kafka.client_id)
    try:
        check_topics(producer, [settings.topics.models])
    finally:
        producer.close()


def announce(settings: Settings, registry: ModelRegistry) -> ModelAnnouncement:
    """Tell all workers and the encoder that the registry's live version is to serve, and return what was said.

    Raises
    ------
    ConfigError
        No version is live, no broker answers, or there is no such topic.
    """
    from kafka.errors import KafkaError

    announcement = announcement_of(registry, int(time.time() * 1000))
    topic = settings.topics.models
    producer = open_producer(settings.kafka.bootstrap, settings.kafka.client_id)
    try:
        check_topics(producer, [topic])
        sent = producer.send(topic, key=SEQUENCE.encode(), value=msgspec.json.encode(announcement))
        sent.get(timeout=BOOTSTRAP_TIMEOUT_MS / 1000)
    except KafkaError as error:
        raise ConfigError(
            f"topic {topic}: need the announcement of {announcement.live.version} acknowledged; got {error!r}. "
            "Run `stream-rec models announce`."
        ) from error
    finally:
        producer.close()
    return announcement
