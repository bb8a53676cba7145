"""One version of the registry, as an encoder makes rows of it: from its tables, or from texts with torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.core.vector_records import VectorRows, text_hash
from stream_rec.neural.extra import need_neural_extra

if TYPE_CHECKING:  # torch takes seconds to load, and is not needed while only trained items are known
    from stream_rec.neural.item_encoder import ItemEncoder

log = logging.getLogger(__name__)


class EncodedVersion:
    """The rows of a version.

    Parameters
    ----------
    registry, version
        Where it is.
    name
        What its rows lie under in `item-vectors`.

    Raises
    ------
    ConfigError
        Its files are missing or damaged.
    """

    def __init__(self, registry: ModelRegistry, version: str, name: str) -> None:
        self.name = name
        self._registry, self._version = registry, version
        tables = registry.tables(version)
        self._trained_with = tables.item_ids  # the rows of the student: those of items it knows nothing of, too
        self._tables = tables.of_known_items()
        self._knows_texts = tables.knows_texts
        self.item_ids = list(self._tables.item_ids)
        self._place = {item_id: place for place, item_id in enumerate(self.item_ids)}
        self._encoder: ItemEncoder | None = None

    def is_trained(self, item_id: str, hashed: int) -> bool:
        """Return whether an item's row for the text with this hash lies in the tables."""
        return item_id in self._place and hashed == self.trained_text_hash(item_id)

    def text_hash_for(self, item_id: str, text: str | None) -> int | None:
        """Return the hash of the text that an item's row is to be made from; `None` where nothing is known of it.

        A version without texts knows the items it was trained with, whatever is written of them. A `text` of `None`
        stands for the one the item was trained with.
        """
        trained = item_id in self._place
        if text is None or not self._knows_texts:
            return self.trained_text_hash(item_id) if trained else None
        hashed = text_hash(text)
        return hashed if trained or hashed else None

    def trained_text_hash(self, item_id: str) -> int:
        """Return the hash of the text an item was trained with; 0 without one, or where that is not known."""
        place = self._place.get(item_id)
        hashes = self._tables.text_hashes
        return int(hashes[place]) if place is not None and len(hashes) else 0

    def trained_rows(self, item_ids: Sequence[str]) -> VectorRows:
        """Return the rows of the tables, each made from the text it was trained with; about 2 µs each."""
        places = [self._place[item_id] for item_id in item_ids]
        hashes = [self.trained_text_hash(item_id) for item_id in item_ids]
        return VectorRows(list(item_ids), hashes, self._tables.rows[places], self._tables.content[places])

    def made_rows(self, texts: Mapping[str, str]) -> VectorRows:
        """Return rows made from texts; 2 to 5 ms each.

        Items of which the version can know nothing, no id and no text, are left out.

        Raises
        ------
        ConfigError
            The student is missing or damaged, or the extra `neural` is not installed.
        ImportError, OSError
            One of its packages does not load.
        """
        made = self._item_encoder().rows(list(texts.items()))
        item_ids = [item_id for item_id, known in zip(texts, made.known, strict=True) if known]
        hashes = [text_hash(texts[item_id]) for item_id in item_ids]
        return VectorRows(item_ids, hashes, made.rows[made.known], made.content[made.known])

    def _item_encoder(self) -> ItemEncoder:
        """Load torch, the student and the text encoder, once."""
        if self._encoder is None:
            need_neural_extra(f"rows of {self.name} from texts")
            from stream_rec.neural.item_encoder import STUDENT_FILE, ItemEncoder

            started = time.monotonic()
            raw, path = self._registry.read_file(self._version, STUDENT_FILE), self._registry.folder / self._version
            settings = self._registry.manifest(self._version).settings
            self._encoder = ItemEncoder(raw, self._trained_with, settings, path / STUDENT_FILE)
            log.info("%s: student loaded after %.1f s", self.name, time.monotonic() - started)
        return self._encoder
