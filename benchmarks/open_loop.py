"""A producer in a process of its own: sends on schedule whatever the answers do, and notes when it sent what.

python -m benchmarks.open_loop '{"bootstrap": …}'
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

from benchmarks.loads import message, shop_events

IDLE_S = 0.0005


class Schedule(msgspec.Struct, frozen=True):
    """What to send: `rate` a second for `seconds`, shop events from `first` on, or `hop_bytes` of nothing."""

    bootstrap: str
    topics: tuple[str, ...]
    partitions: int
    rate: float
    seconds: float
    out: str
    first: int = 0
    hop_bytes: int = 0


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """One record, where it landed; `sent_ns` on this machine's clock, `late_ns` behind its schedule."""

    topic: str
    partition: int
    offset: int
    sent_ns: int
    late_ns: int
    user: str


Due = tuple[str, int, bytes, bytes]


def due_records(schedule: Schedule) -> list[Due]:
    """Return (topic, partition, key, value) of every record, in order."""
    n = int(schedule.rate * schedule.seconds)
    if schedule.hop_bytes:
        value = bytes(schedule.hop_bytes)
        return [(schedule.topics[0], i % schedule.partitions, b"%d" % i, value) for i in range(n)]
    start_ms = int(time.time() * 1000)
    due = []
    for i, event in enumerate(shop_events(n, schedule.first)):
        timely = event._replace(timestamp_ms=start_ms + int(1000 * i / schedule.rate))
        topic, partition, key, value = message(timely, schedule.partitions)
        due.append((schedule.topics[topic], partition, key, value))
    return due


async def send_on_schedule(schedule: Schedule, due: Sequence[Due]) -> list[Sent]:
    """Send every record when it is due, without waiting for answers; return where they landed."""
    producer = AIOKafkaProducer(bootstrap_servers=schedule.bootstrap, acks="all", linger_ms=0)
    await producer.start()
    answers: list[tuple[Any, int, int, str]] = []
    try:
        for topic in schedule.topics:
            await producer.partitions_for(topic)
        start_ns = time.time_ns() + 100_000_000
        for i, (topic, partition, key, value) in enumerate(due):
            due_ns = start_ns + int(i * 1e9 / schedule.rate)
            while (now_ns := time.time_ns()) < due_ns:
                await asyncio.sleep(max(IDLE_S, (due_ns - now_ns) / 1e9))
            answer = await producer.send(topic, value, key=key, partition=partition)
            answers.append((answer, now_ns, now_ns - due_ns, key.decode()))
        landed = await asyncio.gather(*(answer for answer, *_ in answers))
    finally:
        await producer.stop()
    return [
        Sent(at.topic, at.partition, at.offset, sent_ns, late_ns, user)
        for at, (_, sent_ns, late_ns, user) in zip(landed, answers, strict=True)
    ]


def main() -> None:
    """Run the schedule given as JSON; write what was sent as one JSON array."""
    schedule = msgspec.json.decode(sys.argv[1], type=Schedule)
    sent = uvloop.run(send_on_schedule(schedule, due_records(schedule)))
    Path(schedule.out).write_bytes(msgspec.json.encode(sent))


if __name__ == "__main__":
    main()
