"""One version on its way to `item-vectors`: the rows that items need, then end markers that count them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping

from stream_rec.adapters.vector_writer import VectorWriter
from stream_rec.config import EncoderSettings
from stream_rec.core.vector_book import VectorBook
from stream_rec.core.vector_records import encode_end, encode_vectors, text_hash
from stream_rec.roles.encoded_version import EncodedVersion

SAY_EVERY_S = 5.0

log = logging.getLogger(__name__)


class VersionWriter:
    """Writes one version.

    Parameters
    ----------
    version
        Makes the rows.
    catalogue
        Items that may need a row, besides those the version was trained with.
    book, writer
        What lies on `item-vectors`, and how more gets there.
    settings
        Batches and encoding.

    Attributes
    ----------
    open : dict[str, None]
        Items that may need another row, in the order they came.
    """

    def __init__(
        self, version: EncodedVersion, catalogue: Iterable[str], book: VectorBook, writer: VectorWriter,
        settings: EncoderSettings,
    ) -> None:  # fmt: skip
        self.name = version.name
        self.open = dict.fromkeys((*version.item_ids, *catalogue))
        self._version, self._book, self._writer, self._settings = version, book, writer, settings
        self._said_s = 0.0

    def write_batch(self, texts: Mapping[str, str]) -> None:
        """Write the rows of the next items that need one; an item is settled once its row is acknowledged."""
        if not self.open:
            return
        there, settled, wanted = self._book.text_hashes(self.name), [], {}
        for item_id in self.open:
            settled.append(item_id)
            text = texts.get(item_id)
            hashed = self._version.trained_text_hash(item_id) if text is None else text_hash(text)
            if there.get(item_id) != hashed:
                wanted[item_id] = text
                if len(wanted) == self._settings.batch_items:
                    break
        if wanted:
            self._write_rows(wanted)
        for item_id in settled:
            del self.open[item_id]
        if time.monotonic() - self._said_s > SAY_EVERY_S:
            self._said_s = time.monotonic()
            log.info("%s: %d items left", self.name, len(self.open))

    def complete(self) -> bool:
        """Write the end markers that are missing or say another number; return whether all rows and markers lie there.

        While items are open nothing is written.
        """
        if self.open:
            return False
        ends = self._book.open_ends(self.name)
        if ends:
            self._writer.write((partition, *encode_end(self.name, rows)) for partition, rows in ends)
            for partition, rows in ends:
                self._book.ended(self.name, partition, rows)
            log.info("%s is complete: %d items", self.name, len(self._book.text_hashes(self.name)))
        return True

    def _write_rows(self, texts: Mapping[str, str | None]) -> None:
        rows = self._version.rows(texts)
        partitions = map(self._book.partition, rows.item_ids)
        encoded = encode_vectors(self.name, rows, self._settings.encoding)
        self._writer.write((partition, *pair) for partition, pair in zip(partitions, encoded, strict=True))
        for item_id, hashed in zip(rows.item_ids, rows.text_hashes, strict=True):
            self._book.wrote(self.name, item_id, hashed)
