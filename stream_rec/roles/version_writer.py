"""One version on its way to `item-vectors`: the rows that items need, then end markers that count them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping

from stream_rec.adapters.vector_writer import VectorWriter
from stream_rec.config import EncoderSettings
from stream_rec.core.vector_book import VectorBook
from stream_rec.core.vector_records import VectorRows, encode_end, encode_vectors, text_hash
from stream_rec.errors import ConfigError
from stream_rec.roles.encoded_version import EncodedVersion

SAY_EVERY_S = 5.0
MOST_LEFT_OUT = 0.1
"""Share of a version's items that may lack a row because none can be made. With more it is not completed: workers stay
with what serves."""

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
        self._unknown: dict[str, int] = {}  # items the student knows nothing of → hash of the text it was asked with
        self._left_out: dict[str, None] = {}  # items whose rows could not be made from their texts
        self._failure = ""  # why
        self._said_left_out = False
        self._said_s = 0.0

    def write_batch(self, texts: Mapping[str, str]) -> None:
        """Write the rows of the next items that need one; an item is settled once its row is acknowledged."""
        there, settled = self._book.text_hashes(self.name), []
        trained: list[str] = []
        made: dict[str, str] = {}
        for item_id in self.open:
            settled.append(item_id)
            hashed = self._version.text_hash_for(item_id, texts.get(item_id))
            if hashed is None or hashed in (there.get(item_id), self._unknown.get(item_id)):
                continue
            if self._version.is_trained(item_id, hashed):
                trained.append(item_id)
            else:
                made[item_id] = texts[item_id]
            if len(trained) + len(made) == self._settings.batch_items:
                break
        self._write_rows(self._version.trained_rows(trained))
        self._write_rows(self._made_rows(made))
        for item_id in settled:
            del self.open[item_id]
        if settled and time.monotonic() - self._said_s > SAY_EVERY_S:
            self._said_s = time.monotonic()
            log.info("%s: %d items left", self.name, len(self.open))

    def try_again(self) -> None:
        """Open the items again whose rows could not be made from their texts."""
        self.open.update(self._left_out)
        self._left_out, self._failure = {}, ""

    def complete(self) -> bool:
        """Write the end markers that are missing or say another number; return whether all rows and markers lie there.

        While items are open, or too many lack a row that cannot be made, nothing is written.
        """
        if self.open:
            return False
        self._say_left_out()
        if len(self._left_out) > MOST_LEFT_OUT * (len(self._left_out) + len(self._book.text_hashes(self.name))):
            return False
        ends = self._book.open_ends(self.name)
        if ends:
            self._writer.write((partition, *encode_end(self.name, rows)) for partition, rows in ends)
            for partition, rows in ends:
                self._book.ended(self.name, partition, rows)
            log.info("%s is complete: %d items", self.name, len(self._book.text_hashes(self.name)))
        return True

    def _say_left_out(self) -> None:
        if self._failure and not self._said_left_out:
            self._said_left_out = True
            log.error(
                "%s: %d items are left out, and new ones as they come, until the next announcement or start (with more "
                "than %.0f %% of them it is not completed): no rows can be made from texts: %s",
                self.name, len(self._left_out), 100 * MOST_LEFT_OUT, self._failure,
            )  # fmt: skip

    def _made_rows(self, texts: Mapping[str, str]) -> VectorRows:
        """Return rows made from texts; none, and the items are left out, where no row can be made."""
        if texts and not self._failure:
            try:
                rows = self._version.made_rows(texts)
            except (ConfigError, ImportError, OSError) as error:
                self._failure, self._said_left_out = str(error) or repr(error), False
            else:
                self._unknown.update(
                    (item_id, text_hash(texts[item_id])) for item_id in texts.keys() - set(rows.item_ids)
                )
                return rows
        self._left_out.update(dict.fromkeys(texts))
        return self._version.trained_rows([])

    def _write_rows(self, rows: VectorRows) -> None:
        if not rows.item_ids:
            return
        partitions = map(self._book.partition, rows.item_ids)
        encoded = encode_vectors(self.name, rows, self._settings.encoding)
        self._writer.write((partition, *pair) for partition, pair in zip(partitions, encoded, strict=True))
        for item_id, hashed in zip(rows.item_ids, rows.text_hashes, strict=True):
            self._book.wrote(self.name, item_id, hashed)
