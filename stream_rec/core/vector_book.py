"""What lies on `item-vectors`: which rows of which versions, made from which texts, and what the end markers say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stream_rec.core.partitioning import partition_of
from stream_rec.core.vector_records import decode_end, end_key, parse_vector_key, stored_text_hash, vector_key
from stream_rec.errors import CorruptStateError


class _Version:
    """The rows of one version: item id → text hash, how many each partition holds, and what its marker says."""

    def __init__(self, partitions: int) -> None:
        self.text_hashes: dict[str, int] = {}
        self.rows = [0] * partitions
        self.ends: list[int | None] = [None] * partitions


class VectorBook:
    """An encoder's notes: from every record it has read or written it knows what is left to write.

    Parameters
    ----------
    partitions
        Partitions of `item-vectors`.

    Examples
    --------
    >>> book = VectorBook(partitions=1)
    >>> book.wrote("v1", "mug", 7)
    >>> book.text_hashes("v1"), book.open_ends("v1")
    ({'mug': 7}, [(0, 1)])
    >>> book.ended("v1", 0, 1)
    >>> book.open_ends("v1"), [key for _, key in book.keys("v1")]
    ([], [b'v1\\x00mug', b'v1\\x00\\x00'])
    """

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._versions: dict[str, _Version] = {}

    def names(self) -> list[str]:
        """Return the versions of which anything lies on the topic."""
        return list(self._versions)

    def text_hashes(self, name: str) -> Mapping[str, int]:
        """Return item id → hash of the text its row was made from."""
        return self._versions[name].text_hashes if name in self._versions else {}

    def open_ends(self, name: str) -> list[tuple[int, int]]:
        """Return (partition, rows) of every end marker that is missing or tells another number."""
        version = self._versions.get(name) or _Version(self.partitions)
        both = enumerate(zip(version.rows, version.ends, strict=True))
        return [(partition, rows) for partition, (rows, end) in both if rows != end]

    def has_all_ends(self, name: str) -> bool:
        """Return whether every partition has an end marker: the version was complete, some rows may have come since."""
        return name in self._versions and None not in self._versions[name].ends

    def keys(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield (partition, key) of all that lies there of a version, its end markers last."""
        version = self._versions[name]
        for item_id in version.text_hashes:
            yield self.partition(item_id), vector_key(name, item_id)
        for partition, end in enumerate(version.ends):
            if end is not None:
                yield partition, end_key(name)

    def partition(self, item_id: str) -> int:
        """Return the partition of an item's rows."""
        return partition_of(item_id.encode(), self.partitions)

    def wrote(self, name: str, item_id: str, text_hash: int) -> None:
        """Note a row."""
        version = self._versions.setdefault(name, _Version(self.partitions))
        if item_id not in version.text_hashes:
            version.rows[self.partition(item_id)] += 1
        version.text_hashes[item_id] = text_hash

    def ended(self, name: str, partition: int, rows: int) -> None:
        """Note an end marker."""
        self._versions.setdefault(name, _Version(self.partitions)).ends[partition] = rows

    def forget(self, name: str) -> None:
        """Note that nothing of a version lies there any more."""
        self._versions.pop(name, None)

    def read(self, partition: int, key: bytes, value: bytes | None) -> tuple[str, str] | None:
        """Note a record of the topic; return (version, item id) of a row that is not there any more.

        A damaged record counts as a deleted one: its item is to be written again.
        """
        try:
            name, item_id = parse_vector_key(key)
        except CorruptStateError:
            return None
        try:
            if value is not None and item_id is None:
                self.ended(name, partition, decode_end(key, value))
                return None
            if value is not None and item_id is not None:
                self.wrote(name, item_id, stored_text_hash(key, value))
                return None
        except CorruptStateError:
            pass
        self._gone(name, partition, item_id)
        return None if item_id is None else (name, item_id)

    def _gone(self, name: str, partition: int, item_id: str | None) -> None:
        version = self._versions.get(name)
        if version is None:
            return
        if item_id is None:
            version.ends[partition] = None
        elif version.text_hashes.pop(item_id, None) is not None:
            version.rows[self.partition(item_id)] -= 1
        if not version.text_hashes and not any(end is not None for end in version.ends):
            del self._versions[name]
