"""A plain consumer in a process of its own: notes when each record became visible, until SIGTERM.

python -m benchmarks.watcher '{"bootstrap": …}'
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.lists_seen import trigger_of


class Watch(msgspec.Struct, frozen=True):
    """What to read from now on; `lists`: note a record's trigger in place of its own place."""

    bootstrap: str
    topic: str
    partitions: int
    out: str
    lists: bool = True

    @property
    def ready(self) -> Path:
        """Exists once nothing more can be missed."""
        return Path(self.out + ".ready")


class Visible(msgspec.Struct, frozen=True, array_like=True):
    """The place of the event (or of the record itself), and when it was seen on this machine's clock."""

    topic: str
    partition: int
    offset: int
    seen_ns: int
    n_bytes: int


async def watch(settings: Watch) -> list[Visible]:
    """Read until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    await consumer.start()
    seen: list[tuple[int, Any]] = []
    try:
        places = [TopicPartition(settings.topic, partition) for partition in range(settings.partitions)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        for place in places:
            await consumer.position(place)
        settings.ready.touch()
        while not stopped.is_set():
            batches = await consumer.getmany(timeout_ms=200)
            now_ns = time.time_ns()
            seen += [(now_ns, record) for records in batches.values() for record in records]
    finally:
        await consumer.stop()
    return [visible for now_ns, record in seen if (visible := _visible(settings, now_ns, record)) is not None]


def _visible(settings: Watch, seen_ns: int, record: Any) -> Visible | None:
    if not settings.lists:
        return Visible(record.topic, record.partition, record.offset, seen_ns, len(record.value))
    trigger = trigger_of(record.value) if record.value else None
    if trigger is None:
        return None
    return Visible(trigger.topic, trigger.partition, trigger.offset, seen_ns, len(record.value))


def main() -> None:
    """Watch what the JSON says; write what was seen as one JSON array."""
    settings = msgspec.json.decode(sys.argv[1], type=Watch)
    Path(settings.out).write_bytes(msgspec.json.encode(uvloop.run(watch(settings))))


if __name__ == "__main__":
    main()
