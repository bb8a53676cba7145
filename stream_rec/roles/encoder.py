"""The encoder: writes rows of the announced version for every item of the catalogue to `item-vectors`.

1. Items the version was trained with get the row of its tables; all others, and those whose text has changed, get one
   made from their text.
2. When nothing is left to write, every partition gets an end marker with its number of rows: workers take over.
3. Then what lies there of versions that neither serve nor are the one before is deleted.

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

log = logging.getLogger(__name__)


class Encoder:
    """One encoder; several at once write the same and harm nothing.

    Parameters
    ----------
    settings
        Broker, topics, and `encoder.*`.

    Raises
    ------
    ConfigError
        No broker answers, or a topic is missing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, topics = settings, settings.topics
        self._registry = ModelRegistry(Path(settings.encoder.models))
        self._reader = TopicReader(settings.kafka.bootstrap, [topics.models, topics.items, topics.item_vectors])
        self._writer = VectorWriter(settings.kafka.bootstrap, settings.kafka.client_id, topics.item_vectors)
        self._book = VectorBook(self._reader.partitions(topics.item_vectors))
        self._texts: dict[str, str] = {}
        self._announced: ModelAnnouncement | None = None
        self._version: EncodedVersion | None = None
        self._open: dict[str, None] = {}  # items that may need another row, in the order they came

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
            self._follow_announcement()
            self._write_open_rows(stopped)
            if not self._open:
                self._finish()
            for record in self._reader.poll(POLL_MS):
                self._absorb(record)

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()
        self._writer.close()

    def _absorb(self, record: Any) -> None:
        topic, key, value = record.topic, record.key or b"", record.value
        if topic == self._settings.topics.item_vectors:
            self._book.read(record.partition, key, value)
            return
        try:
            if topic == self._settings.topics.items:
                self._describe(key, value)
            elif value is not None:
                announcement = decode_announcement(value)
                self._announced = announcement if announcement.name == SEQUENCE else self._announced
        except (ContractError, UnicodeDecodeError) as error:
            log.warning("record of %s passed over: %s", topic, error)

    def _describe(self, key: bytes, value: bytes | None) -> None:
        """Note an item's text; a tombstone leaves it as it was: histories still hold the item."""
        if value is not None:
            item = decode_item(value, key)
            self._texts[item.item_id] = item.words()
            self._open[item.item_id] = None

    def _follow_announcement(self) -> None:
        """Open the announced version, if it is another one; every item may need a row of it."""
        announced = self._announced
        if announced is None or (self._version is not None and self._version.name == announced.live.vectors):
            return
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
        log.info("%s: rows of %d items are wanted", announced.live.version, len(self._open))

    def _write_open_rows(self, stopped: Callable[[], bool]) -> None:
        """Write rows batch by batch, until there is nothing to write or something new to follow."""
        version = self._version
        if version is None or not self._open:
            return
        written, said_s, wanted = 0, time.monotonic(), self._wanted(version, self._book.text_hashes(version.name))
        self._open.clear()
        item_ids, size = list(wanted), self._settings.encoder.batch_items
        for first in range(0, len(item_ids), size):
            written += self._write_rows(version, {one: wanted[one] for one in item_ids[first : first + size]})
            if time.monotonic() - said_s > SAY_EVERY_S:
                said_s = time.monotonic()
                log.info("%s: %d of %d rows written", version.name, written, len(item_ids))
            for record in self._reader.poll(0):
                self._absorb(record)
            if stopped() or (self._announced is not None and self._announced.live.vectors != version.name):
                return
        if written:
            log.info("%s: %d rows written", version.name, written)

    def _wanted(self, version: EncodedVersion, there: Mapping[str, int]) -> dict[str, str | None]:
        """Return the open items whose row is missing or of another text, with their text (`None`: as trained)."""
        wanted: dict[str, str | None] = {}
        for item_id in self._open:
            text = self._texts.get(item_id)
            hashed = version.trained_text_hash(item_id) if text is None else text_hash(text)
            if there.get(item_id) != hashed:
                wanted[item_id] = text
        return wanted

    def _write_rows(self, version: EncodedVersion, texts: Mapping[str, str | None]) -> int:
        rows = version.rows(texts)
        partitions = map(self._book.partition, rows.item_ids)
        encoded = encode_vectors(version.name, rows, self._settings.encoder.encoding)
        self._writer.write((partition, *pair) for partition, pair in zip(partitions, encoded, strict=True))
        for item_id, hashed in zip(rows.item_ids, rows.text_hashes, strict=True):
            self._book.wrote(version.name, item_id, hashed)
        return len(rows.item_ids)

    def _finish(self) -> None:
        """Write the end markers that are missing; delete what no longer serves."""
        version, announced = self._version, self._announced
        if version is None or announced is None or version.name != announced.live.vectors:
            return
        ends = self._book.open_ends(version.name)
        if ends:
            self._writer.write((partition, *encode_end(version.name, rows)) for partition, rows in ends)
            for partition, rows in ends:
                self._book.ended(version.name, partition, rows)
            log.info("%s is complete: %d items", version.name, len(self._book.text_hashes(version.name)))
        kept = {one.vectors for one in (announced.live, announced.before) if one is not None}
        for name in set(self._book.names()) - kept:
            self._retire(name)

    def _retire(self, name: str) -> None:
        keys = list(self._book.keys(name))
        for first in range(0, len(keys), TOMBSTONES_PER_WRITE):
            some = keys[first : first + TOMBSTONES_PER_WRITE]
            self._writer.write((partition, key, None) for partition, key in some)
        self._book.forget(name)
        log.info("%s is retired: %d records deleted", name, len(keys))
