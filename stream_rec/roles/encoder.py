"""The encoder: writes rows of the announced version for every item of the catalogue to `item-vectors`.

1. Items the version was trained with get the row of its tables; all others, and those whose text has changed, get one
   made from their text.
2. When nothing is left to write, every partition gets an end marker with its number of rows: workers take over.
3. What lies there of versions that neither serve nor are kept for a rollback is deleted.

It is killed and started again at any moment: what lies on the topic is what it knows, and it goes on from there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stream_rec.adapters.model_announcements import vectors_name
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.topic_reader import TopicReader
from stream_rec.adapters.vector_writer import VectorWriter
from stream_rec.config import Settings
from stream_rec.core.vector_book import VectorBook
from stream_rec.core.vector_records import encode_end, encode_vectors, text_hash
from stream_rec.core.wire import SEQUENCE, ModelAnnouncement, decode_announcement, decode_item
from stream_rec.errors import ConfigError, ContractError
from stream_rec.roles.encoded_version import EncodedVersion

POLL_MS = 500
SAY_EVERY_S = 5.0
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
        self._version: EncodedVersion | None = None
        self._open: dict[str, None] = {}  # items that may need another row, in the order they came
        self._unlisted_since_s: dict[str, float] = {}  # versions on the topic that no announcement names
        self._said_s = 0.0

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
        """Write one batch, or what completes a version; read what came meanwhile."""
        self._follow_announcement()
        self._write_batch()
        if not self._open:
            self._complete()
        records = self._reader.poll(0 if self._open and self._version is not None else POLL_MS)
        for record in records:
            self._absorb(record)
        if not records and not self._open:
            self._retire_unlisted()

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()
        self._writer.close()

    def _absorb(self, record: Any) -> None:
        topic, key, value = record.topic, record.key or b"", record.value
        if topic == self._settings.topics.item_vectors:
            gone = self._book.read(record.partition, key, value)
            if gone is not None and self._version is not None and gone[0] == self._version.name:
                self._open[gone[1]] = None  # another encoder deleted it, or it is damaged
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
            self._open[item.item_id] = None

    def _listen(self, announcement: ModelAnnouncement) -> None:
        if announcement.name != SEQUENCE:
            return
        before = self._announced
        if before is not None and before.live.vectors != announcement.live.vectors:
            self._served_before = before.live.vectors
        self._announced = announcement

    def _follow_announcement(self) -> None:
        """Open the announced version, if it is another one; every item may need a row of it."""
        announced = self._announced
        if announced is None or (self._version is not None and self._version.name == announced.live.vectors):
            return
        self._version = None
        try:
            if vectors_name(self._registry, announced.live.version) != announced.live.vectors:
                raise ConfigError(
                    f"{self._registry.folder}: need {announced.live.vectors}, which was announced; got another "
                    f"{announced.live.version}. Set STREAM_REC_ENCODER__MODELS to the registry it was announced from."
                )
            self._version = EncodedVersion(self._registry, announced.live.version, announced.live.vectors)
        except ConfigError as error:
            log.error("%s cannot be encoded: %s", announced.live.version, error)
            self._announced = None  # said once; the next announcement is tried again
            return
        self._open = dict.fromkeys((*self._version.item_ids, *self._texts))
        log.info("%s: %d items may need a row", announced.live.version, len(self._open))

    def _write_batch(self) -> None:
        """Write the rows of the next items that need one; an item is settled once its row is acknowledged."""
        version = self._version
        if version is None or not self._open:
            return
        there, settled, wanted = self._book.text_hashes(version.name), [], {}
        for item_id in self._open:
            settled.append(item_id)
            text = self._texts.get(item_id)
            hashed = version.trained_text_hash(item_id) if text is None else text_hash(text)
            if there.get(item_id) != hashed:
                wanted[item_id] = text
                if len(wanted) == self._settings.encoder.batch_items:
                    break
        if wanted:
            self._write_rows(version, wanted)
        for item_id in settled:
            del self._open[item_id]
        if time.monotonic() - self._said_s > SAY_EVERY_S:
            self._said_s = time.monotonic()
            log.info("%s: %d items left", version.name, len(self._open))

    def _write_rows(self, version: EncodedVersion, texts: Mapping[str, str | None]) -> None:
        rows = version.rows(texts)
        partitions = map(self._book.partition, rows.item_ids)
        encoded = encode_vectors(version.name, rows, self._settings.encoder.encoding)
        self._writer.write((partition, *pair) for partition, pair in zip(partitions, encoded, strict=True))
        for item_id, hashed in zip(rows.item_ids, rows.text_hashes, strict=True):
            self._book.wrote(version.name, item_id, hashed)

    def _complete(self) -> None:
        """Write the end markers that are missing or say another number."""
        version = self._version
        ends = [] if version is None else self._book.open_ends(version.name)
        if version is None or not ends:
            return
        self._writer.write((partition, *encode_end(version.name, rows)) for partition, rows in ends)
        for partition, rows in ends:
            self._book.ended(version.name, partition, rows)
        log.info("%s is complete: %d items", version.name, len(self._book.text_hashes(version.name)))

    def _retire_unlisted(self) -> None:
        """Delete versions that no announcement has named for a while.

        Another encoder may write a version whose announcement has not been read here yet. It comes before the rows, so
        it is read by the time that nothing new comes.
        """
        announced, now_s = self._announced, time.monotonic()
        if announced is None or self._version is None:
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
