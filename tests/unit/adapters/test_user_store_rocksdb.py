"""RocksDB alone: locks, clusters, crashes, damaged files."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_rec.adapters.user_store_rocksdb import RocksUserStore, new_cache, store_folder
from stream_rec.core.rounds import Put
from stream_rec.errors import ConfigError, CorruptStateError

CACHE = new_cache(1 << 20)


def open_store(data_dir: Path, cluster_id: str = "cluster-a") -> RocksUserStore:
    return RocksUserStore(data_dir, 0, cluster_id, CACHE)


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([Put(b"hanna", b"state", True)], 42)
    store.close()
    again = open_store(tmp_path)
    assert (again.position, again.get_many([b"hanna"])) == (42, [b"state"])
    again.close()


def test_a_scan_left_half_read_does_not_keep_the_folder_locked(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write([Put(b"h%d" % i, b"", True) for i in range(10)], 1)
    half_read = store.scan(b"h")
    next(half_read)
    store.due_sessions(10, 10)
    store.close()
    open_store(tmp_path).close()
    assert half_read is not None


def test_a_store_of_another_cluster_is_refused_naming_reset_and_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with pytest.raises(ConfigError, match=r"cluster cluster-b; got one of cluster-a.*stream-rec reset"):
        open_store(tmp_path, "cluster-b")
    open_store(tmp_path).close()


def test_a_second_opener_is_refused_in_one_clear_line(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ConfigError, match=r"need the only worker on this data_dir"):
        open_store(tmp_path)
    store.close()


def test_a_second_process_is_refused_in_one_clear_line(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    code = f"""
from pathlib import Path
from stream_rec.adapters.user_store_rocksdb import RocksUserStore, new_cache
RocksUserStore(Path({str(tmp_path)!r}), 0, "cluster-a", new_cache(1 << 20))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    store.close()
    assert "ConfigError: user store" in ended.stderr
    assert "Stop the other worker" in ended.stderr


def test_damaged_files_are_a_corrupt_state(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    (store_folder(tmp_path, 0) / "CURRENT").write_text("not a manifest")
    with pytest.raises(CorruptStateError, match="stream-rec reset"):
        open_store(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("a file is in the way")
    with pytest.raises(ConfigError, match="need a folder to write in"):
        open_store(tmp_path)


WRITER = """
import sys
from pathlib import Path
from stream_rec.adapters.user_store_rocksdb import RocksUserStore, new_cache
from stream_rec.core.rounds import Put
store = RocksUserStore(Path(sys.argv[1]), 0, "cluster-a", new_cache(1 << 20))
round_number = store.position
print("writing", flush=True)
while True:
    round_number += 1
    value = round_number.to_bytes(8, "big") * 128
    store.write([Put(b"h%03d" % user, value, True) for user in range(200)], round_number)
"""


def test_kill_9_amid_writes_leaves_values_and_position_of_one_round(tmp_path: Path) -> None:
    position = 0
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.4)
        writer.kill()
        writer.communicate()
        store = open_store(tmp_path)
        values = {value for _, value in store.scan(b"h")}
        assert store.position > position, "the writer got no round through"
        assert values == {store.position.to_bytes(8, "big") * 128}
        position = store.position
        store.close()
