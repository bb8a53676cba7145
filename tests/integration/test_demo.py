"""`stream-rec demo` as a user runs it: a real broker and a real worker, and nothing of them left afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.vector_records import text_hash
from stream_rec.shop import Shop
from stream_rec.shop.files import write_events
from tests.twins.small_model import WIDTH, small_weights

pytestmark = pytest.mark.kafka
TIMEOUT_S = 240


def run_demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stream_rec", "demo", *arguments, "--data-dir", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_REC_")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes that still have to do with the folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        words = " ".join([*(process.info["cmdline"] or ()), *(process.info["environ"] or {}).values()])
        if str(folder) in words and process.info["pid"] != os.getpid():
            found.append(" ".join(process.info["cmdline"] or ["?"]))
    return found


def publish_model(registry: ModelRegistry, shop: Shop) -> str:
    """A version of random numbers over the shop's items is live, as if it had been trained on their texts."""
    texts = {row.item_id: text_hash(f"{row.title} {row.category}") for row in shop.catalogue.rows()}
    rows = np.random.default_rng(1).normal(0.0, 0.3, (len(texts), row_width(WIDTH))).astype(np.float32)
    hashes = np.array(list(texts.values()), np.uint64)
    files = {TABLES_FILE: tables_bytes(ModelTables(list(texts), rows, small_weights(1), text_hashes=hashes))}
    version = registry.publish(files, code="test", data={}, settings={}, metrics={}).version
    registry.promote(version, {}, "test")
    return version


def port_is_free(output: str) -> bool:
    import socket

    found = re.search(r"Kafka is up at 127\.0\.0\.1:(\d+)", output)
    assert found, output
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(found[1]))) != 0


def test_the_shop_s_day_shows_lists_ends_by_itself_and_goes_on_at_the_next_start(tmp_path: Path) -> None:
    for start, known in enumerate((0, 1)):
        output = run_demo(tmp_path, "--seconds", "6", "--history", "500", "--rate", "100").communicate(
            timeout=TIMEOUT_S
        )[0]
        assert re.search(r"events in [\d,]+ = applied [\d,]+ \+ duplicates 0 \+ dead 0", output), output
        assert "every one" in output
        assert re.search(r"– because you looked at \w+", output), output
        assert port_is_free(output)
        assert left_behind(tmp_path) == []
        assert ("topics created" in output) is (start == 0)
        done = json.loads((tmp_path / "shop" / "shop.json").read_text())["done"]
        assert done > known * 500
    assert "hit@20" in output


def test_a_log_is_replayed_whole_and_accounted_for(tmp_path: Path) -> None:
    shop = Shop(60, 90, seed=5)
    write_events(tmp_path / "log.csv", shop, shop.first(1_500))
    process = run_demo(tmp_path, str(tmp_path / "log.csv"))
    output = process.communicate(timeout=TIMEOUT_S)[0]
    assert process.returncode == 0, output
    assert "events in 1,500 = applied 1,500 + duplicates 0 + dead 0" in output
    assert "every one" in output
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_replay_worker_and_broker(tmp_path: Path, number: signal.Signals) -> None:
    process = run_demo(tmp_path, "--history", "200", "--rate", "50")
    assert process.stdout is not None
    output, deadline = "", time.monotonic() + TIMEOUT_S
    while " live: " not in output and time.monotonic() < deadline:
        output += process.stdout.readline()
    process.send_signal(number)
    output += process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "replay, worker and Kafka have ended" in output
    assert "Traceback" not in output
    assert port_is_free(output)
    assert left_behind(tmp_path) == []


def test_the_page_shows_what_users_with_a_model_find_and_what_the_others_find(tmp_path: Path) -> None:
    words = ("--history", "500", "--rate", "100", "--users", "60", "--items", "90")
    first = run_demo(tmp_path, "--seconds", "3", "--no-model", *words).communicate(timeout=TIMEOUT_S)[0]
    assert "sequence model" not in first
    version = publish_model(ModelRegistry(tmp_path / "shop" / "models"), Shop(60, 90, 1))
    process = run_demo(tmp_path, *words)
    both = re.compile(version + r" serves since \d+:\d\d, with it [\d.]+% \([\d.]+–[\d.]+ of \d+\), without it [\d.]+%")
    assert process.stdout is not None
    output, deadline = "", time.monotonic() + TIMEOUT_S
    while not both.search(output) and time.monotonic() < deadline:
        output += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0].rstrip().endswith("replay, worker and Kafka have ended"), output
    assert both.search(output), output
    assert left_behind(tmp_path) == []
