"""The store of one partition's users in RocksDB (rocksdict), one database per partition, one cache for all.

rocksdict's defaults are made for one database per process (2 GiB of cache, 192 MiB of write buffers each); here
every worker holds many, so the cache is shared and the buffers are small.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from rocksdict import BlockBasedOptions, Cache, DbClosedError, DBCompressionType, Options, Rdict, RdictIter, WriteBatch

from stream_rec.core.rounds import Put
from stream_rec.core.state.user_codec import deadline_key, head_key, parse_deadline_key
from stream_rec.core.state.user_store import CLUSTER_KEY, POSITION_KEY
from stream_rec.errors import ConfigError, CorruptStateError, StateError

WRITE_BUFFER_BYTES = 4 << 20
BLOOM_BITS_PER_KEY = 10
SCAN_PAGE_KEYS = 1_000


def new_cache(capacity_bytes: int) -> Cache:
    """Return the block cache that all stores of a worker share."""
    return Cache(capacity_bytes)


def store_folder(data_dir: Path, partition: int) -> Path:
    """Return where the users of `partition` lie."""
    return data_dir / "users" / str(partition)


class RocksUserStore:
    """A `UserStore` in the folder of one partition.

    Parameters
    ----------
    data_dir, partition
        The database is `data_dir`/users/`partition`; it is made if missing.
    cluster_id
        The Kafka cluster at hand. A new store keeps it; a store of another cluster is refused.
    cache
        From `new_cache`, shared by all partitions.

    Raises
    ------
    ConfigError
        The store belongs to another cluster, another process uses it, or the folder cannot be used.
    CorruptStateError
        RocksDB finds its files damaged.

    Notes
    -----
    A write is in the operating system's hands when `write` returns (write-ahead log, no fsync): it outlives a
    killed process. What a power cut takes, the changelog brings back, since the position is in the same batch.
    """

    def __init__(self, data_dir: Path, partition: int, cluster_id: str, cache: Cache) -> None:
        self._folder = store_folder(data_dir, partition)
        self._cache = cache
        self._cluster_id = cluster_id
        self._db = _open(self._folder, cache)
        try:
            self._claim()
            self._position = self._read_position()
        except BaseException:
            self.close()
            raise

    def _claim(self) -> None:
        """Write the cluster id into a new store, compare it in an old one."""
        stored = self._db.get(CLUSTER_KEY)
        if stored is None:
            self._db[CLUSTER_KEY] = self._cluster_id.encode()
        elif stored != self._cluster_id.encode():
            raise ConfigError(
                f"user store {self._folder}: need the store of Kafka cluster {self._cluster_id};"
                f" got one of {stored.decode(errors='replace')}. Run `stream-rec reset` to rebuild it, or set data_dir."
            )

    def _read_position(self) -> int:
        stored = self._db.get(POSITION_KEY)
        if stored is None:
            return 0
        if len(stored) != 8:
            raise CorruptStateError(
                f"user store {self._folder}: need a position of 8 bytes; got {len(stored)}. Run `stream-rec reset`."
            )
        return int.from_bytes(stored, "big")

    @property
    def position(self) -> int:
        """Next changelog offset to apply; 0 in a new store."""
        return self._position

    @property
    def cluster_id(self) -> str:
        """The Kafka cluster whose offsets the store holds."""
        return self._cluster_id

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, `None` where absent, in the order asked; one multi-get."""
        if not keys:
            return []
        try:
            return cast(list[bytes | None], self._db.get(list(keys)))
        except Exception as error:  # rocksdict raises bare Exception
            raise CorruptStateError(
                f"user store {self._folder}: need readable files; got {error}. Run `stream-rec reset`; the changelog"
                " brings the users back."
            ) from error

    def due_sessions(self, before_ms: int, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` (deadline_ms, user_id) with deadline_ms <= before_ms, earliest first."""
        if before_ms < 0:
            return []
        end = deadline_key(before_ms + 1, b"")
        return [parse_deadline_key(key) for key, _ in _read_page(self._db.iter(), b"d", end, limit)]

    def users_after(self, user_id: bytes, limit: int) -> list[bytes]:
        """Return up to `limit` user ids behind `user_id`, in the order of their bytes."""
        page = _read_page(self._db.iter(), head_key(user_id) + b"\0", _behind(head_key(b"")), limit)
        return [key[1:] for key, _ in page]

    def write(self, puts: Sequence[Put], position: int) -> None:
        """Apply all puts, in order, and the position, or nothing of them: one WriteBatch."""
        batch = WriteBatch(raw_mode=True)
        for key, value, _ in puts:
            if value is None:
                del batch[key]
            else:
                batch[key] = value
        batch[POSITION_KEY] = position.to_bytes(8, "big")
        try:
            self._db.write(batch)
        except Exception as error:  # rocksdict raises bare Exception
            raise StateError(
                f"user store {self._folder}: need the write to succeed; got {error}."
                " Free disk space or repair the disk, then restart."
            ) from error
        self._position = position

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of every key with this prefix, in key order.

        An iterator that outlives `close` would keep the folder locked, so none is held between two pages.
        """
        end = _behind(prefix)
        start = prefix
        while page := _read_page(self._db.iter(), start, end, SCAN_PAGE_KEYS):
            yield from page
            start = page[-1][0] + b"\0"

    def wipe(self) -> None:
        """Forget everything but the cluster: the folder is removed and made anew."""
        self._db.close()
        # Moved away first: a crash in the middle of the removal must not leave half a database in place.
        wiped = self._folder.with_name(f"{self._folder.name}.wiped")
        shutil.rmtree(wiped, ignore_errors=True)
        self._folder.rename(wiped)
        shutil.rmtree(wiped)
        self._db = _open(self._folder, self._cache)
        self._claim()
        self._position = 0

    def close(self) -> None:
        """Flush, and free the lock on the folder: another process, or this one, may open it at once."""
        # `Rdict.close` frees the lock only when no iterator of it lives: `_read_page` drops its own.
        with suppress(DbClosedError):
            self._db.close()


def _open(folder: Path, cache: Cache) -> Rdict:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Rdict(str(folder), _options(cache))
    except Exception as error:  # rocksdict raises bare Exception
        what = str(error)
        if "lock" in what.lower():
            raise ConfigError(
                f"user store {folder}: need the only worker on this data_dir; got a second one (it is locked)."
                " Stop the other worker, or give each its own data_dir."
            ) from error
        if what.startswith("Corruption"):
            raise CorruptStateError(
                f"user store {folder}: need intact files; got {what}. Run `stream-rec reset`; the changelog"
                " brings the users back."
            ) from error
        raise ConfigError(f"user store {folder}: need a folder to write in; got {what}. Set data_dir.") from error


def _options(cache: Cache) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_bloom_filter(BLOOM_BITS_PER_KEY, False)
    table.set_cache_index_and_filter_blocks(True)  # counted in the shared cache, not beside it
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_total_wal_size(4 * WRITE_BUFFER_BYTES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(2)
    return options


def _read_page(iterator: RdictIter, start: bytes, end: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
    """Return up to `limit` (key, value) from `start` on, below `end`; the iterator dies with this call."""
    page: list[tuple[bytes, bytes]] = []
    iterator.seek(start)
    while len(page) < limit and iterator.valid():
        key = iterator.key()
        if end is not None and key >= end:
            break
        page.append((key, iterator.value()))
        iterator.next()
    return page


def _behind(prefix: bytes) -> bytes | None:
    """Return the first key behind all that start with `prefix`, `None` if there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
