"""The encoder: writes rows of the announced version for every item of the catalogue to `item-vectors`.

1. Items the version was trained with get the row of its tables; all others, and those whose text has changed, get one
   made from their text. Where that cannot be done, they are left out.
2. When nothing is left to write, every partition gets an end marker with its number of rows: workers take over. Until
   then the version that serves gets its rows of new items, too; it alone does if the announced one cannot be read.
3. What lies there of versions that neither serve nor are kept for a rollback is deleted.

It is killed and started again at any moment: what lies on the topic is what it knows, and it goes on from there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream_rec.adapters.model_announcements import vectors_name
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.topic_reader import TopicReader
from stream_rec.adapters.vector_writer import VectorWriter
from stream_rec.config import Settings
from stream_rec.core.vector_book import VectorBook
from stream_rec.core.wire import SEQUENCE, AnnouncedVersion, ModelAnnouncement, decode_announcement, decode_item
from stream_rec.errors import ConfigError, ContractError
from stream_rec.roles.encoded_version import EncodedVersion
from stream_rec.roles.version_writer import VersionWriter

POLL_MS = 500
TOMBSTONES_PER_WRITE = 10_000
RETIRE_AFTER_S = 10.0

log = logging.getLogger(__name__)


class Encoder:
    """One encoder. Several at once write the same rows; none deletes what another one is about.

    Parameters
    ----------
    settings
        Topics, and `encoder.*`.
    reader
        Of `models`, `items` and `item-vectors`, at their beginning.
    writer
        Of `item-vectors`.
    """

    def __init__(self, settings: Settings, reader: TopicReader, writer: VectorWriter) -> None:
        self._settings, self._reader, self._writer = settings, reader, writer
        self._registry = ModelRegistry(Path(settings.encoder.models))
        self._book = VectorBook(reader.partitions(settings.topics.item_vectors))
        self._texts: dict[str, str] = {}
        self._announced: ModelAnnouncement | None = None
        self._served_before: str | None = None  # what was live until the announcement
        self._serving: VersionWriter | None = None  # complete: what workers serve until the coming one is
        self._coming: VersionWriter | None = None
        self._unlisted_since_s: dict[str, float] = {}  # versions on the topic that no announcement names

    def run(self, stopped: Callable[[], bool]) -> None:
        """Read what there is, then write and follow until `stopped`.

        Raises
        ------
        StateError
            A row could not be written: start again.
        """
        for record in self._reader.read_to_the_end():
            self._absorb(record)
        log.info("%d items of the catalogue, versions on the topic: %s", len(self._texts), self._book.names() or "none")
        while not stopped():
            self._step()

    def _step(self) -> None:
        """Write one batch of each version, or what completes it; read what came meanwhile."""
        self._follow_announcement()
        for version in self._versions():
            version.write_batch(self._texts)
            if version.complete() and version is self._coming:
                self._serving, self._coming = version, None
        busy = any(version.open for version in self._versions())
        records = self._reader.poll(0 if busy else POLL_MS)
        for record in records:
            self._absorb(record)
        if not records and not busy:
            self._retire_unlisted()

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()
        self._writer.close()

    def _versions(self) -> list[VersionWriter]:
        return [version for version in (self._serving, self._coming) if version is not None]

    def _absorb(self, record: Any) -> None:
        topic, key, value = record.topic, record.key or b"", record.value
        if topic == self._settings.topics.item_vectors:
            gone = self._book.read(record.partition, key, value)
            for version in self._versions():
                if gone is not None and gone[0] == version.name:
                    version.open[gone[1]] = None  # another encoder deleted it, or it is damaged
            return
        try:
            if topic == self._settings.topics.items:
                self._describe(key, value)
            elif value is not None:
                self._listen(decode_announcement(value))
        except ContractError as error:
            log.warning("record of %s passed over: %s", topic, error)

    def _describe(self, key: bytes, value: bytes | None) -> None:
        """Note an item's text; a tombstone leaves it as it was: histories still hold the item."""
        if value is not None:
            item = decode_item(value, key)
            self._texts[item.item_id] = item.words()
            for version in self._versions():
                version.open[item.item_id] = None

    def _listen(self, announcement: ModelAnnouncement) -> None:
        if announcement.name != SEQUENCE:
            return
        before = self._announced
        if before is not None and before.live.vectors != announcement.live.vectors:
            self._served_before = before.live.vectors
        self._announced = announcement
        for version in self._versions():
            version.try_again()

    def _follow_announcement(self) -> None:
        """Begin the announced version, if it is another one; where it cannot be read, what serves goes on alone.

        Where nothing serves, the version that was begun last goes on: it is what workers that start may serve.
        """
        if self._announced is None:
            return
        live, before = self._announced.live, self._announced.before
        if self._serving is not None and self._serving.name == live.vectors:
            self._coming = None
        elif self._coming is None or self._coming.name != live.vectors:
            if self._serving is None and before is not None and self._serves(before) and not self._serves(live):
                self._serving = self._opened(before)  # started while workers wait for the announced one
            opened = self._opened(live)
            if opened is None:
                self._announced = None  # said once; the next announcement is tried again
            if opened is not None or self._serving is not None:
                self._coming = opened

    def _serves(self, announced: AnnouncedVersion) -> bool:
        """Return whether workers serve it, as far as the rows are concerned."""
        return self._book.has_all_ends(announced.vectors)

    def _opened(self, announced: AnnouncedVersion) -> VersionWriter | None:
        """Return an announced version, of which every item may need a row; `None` if it cannot be read."""
        try:
            if vectors_name(self._registry, announced.version) != announced.vectors:
                raise ConfigError(
                    f"{self._registry.folder}: need {announced.vectors}, which was announced; got another "
                    f"{announced.version}. Set STREAM_REC_ENCODER__MODELS to the registry it was announced from."
                )
            version = EncodedVersion(self._registry, announced.version, announced.vectors)
        except ConfigError as error:
            log.error("%s cannot be encoded: %s", announced.version, error)
            return None
        opened = VersionWriter(version, self._texts, self._book, self._writer, self._settings.encoder)
        log.info("%s: %d items may need a row", announced.version, len(opened.open))
        return opened

    def _retire_unlisted(self) -> None:
        """Delete versions that no announcement has named for a while.

        Another encoder may write a version whose announcement has not been read here yet. It comes before the rows, so
        it is read by the time that nothing new comes.
        """
        announced, now_s = self._announced, time.monotonic()
        if announced is None or self._coming is not None:
            return
        kept = {announced.live.vectors, self._served_before} | (
            {announced.before.vectors} if announced.before else set()
        )
        unlisted = set(self._book.names()) - kept
        self._unlisted_since_s = {name: self._unlisted_since_s.get(name, now_s) for name in unlisted}
        for name in [name for name, since_s in self._unlisted_since_s.items() if now_s - since_s >= RETIRE_AFTER_S]:
            self._retire(name)

    def _retire(self, name: str) -> None:
        keys = list(self._book.keys(name))
        for first in range(0, len(keys), TOMBSTONES_PER_WRITE):
            some = keys[first : first + TOMBSTONES_PER_WRITE]
            self._writer.write((partition, key, None) for partition, key in some)
        self._book.forget(name)
        log.info("%s is retired: %d records deleted", name, len(keys))


def open_encoder(settings: Settings) -> Encoder:
    """Return an encoder connected to the broker of the settings.

    Raises
    ------
    ConfigError
        No broker answers, or a topic is missing.
    """
    topics, kafka = settings.topics, settings.kafka
    reader = TopicReader(kafka.bootstrap, [topics.models, topics.items, topics.item_vectors])
    return Encoder(settings, reader, VectorWriter(kafka.bootstrap, kafka.client_id, topics.item_vectors))
