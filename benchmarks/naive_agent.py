"""The ordinary way to write this recommender with Faust: the thing the batched worker is held against.

One agent over clicks and purchases, one event at a time; the user's state in a `faust.Table` on RocksDB; the list and
the event's counts sent with `topic.send`; a second agent over the counts that updates the items. The work per event is
the core's own (`naive_work`): same decoding, same learning, same lists of 20 with reasons. Only the streaming differs.

Where a choice was open it was made in the naive agent's favour: item rows stay in memory and are changed in place
(only the counts go through a Table), all items are one shard, so that an event is one delta and not up to four, there
is no metrics page, no session sweep, no web server, no leader topic, no fencing, and kernels are compiled before the
first event. The rest is as a user would have it: Faust's defaults, uvloop, log level warn.

    python -m benchmarks.naive_agent '{"app_id": …}'
"""
# No `from __future__ import annotations`: Faust reads agent annotations at run time.

import sys
import time
from pathlib import Path
from typing import Any

import faust
import mode.loop
import msgspec

from benchmarks.naive_agent_settings import NaiveSettings
from benchmarks.naive_work import NaiveWork, Record, compile_kernels
from stream_rec.core.presets import PRESETS
from stream_rec.errors import ContractError

RAW: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}


def build_app(settings: NaiveSettings) -> Any:
    """Return the Faust app: two agents, two tables."""
    app = faust.App(
        settings.app_id,
        broker=f"kafka://{settings.bootstrap_servers}",
        store="rocksdb://",
        datadir=settings.datadir,
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    preset = PRESETS[settings.preset]
    compile_kernels(preset)
    work = NaiveWork(preset, (settings.clicks, settings.purchases))
    events = app.topic(settings.clicks, settings.purchases, **RAW)
    recommendations = app.topic(settings.recommendations, **RAW)
    deltas = app.topic(settings.item_deltas, **RAW)
    users = app.Table("users", key_type=bytes, value_type=bytes)
    item_counts = app.Table("item-counts", default=int, key_type=str, partitions=1)

    async def recommend(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            now = time.time()
            time_ms = int(message.timestamp * 1000)
            record = Record(message.topic, message.partition, message.offset, time_ms, message.key, message.value)
            try:
                effects = work.handle(record, users.get, int(now * 1000))
            except ContractError:
                continue  # the loads hold none: a real one would send it to dead-letter
            if effects is None:
                continue
            for key, value, replicated in effects.puts:
                if not replicated:
                    continue  # the session index: the naive agent has no sweep
                if value is None:
                    users.pop(key)
                else:
                    users[key] = value
            await recommendations.send(key=effects.user_id, value=effects.list_json, partition=message.partition)
            if effects.delta is not None:
                await deltas.send(key=msgspec.json.encode(effects.item_ids), value=effects.delta)

    async def count(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            work.count(message.value, message.offset)
            for item_id in msgspec.json.decode(message.key):
                item_counts[item_id] += 1

    app.agent(events)(recommend)
    app.agent(deltas)(count)
    return app


def main() -> None:
    """Run the agent with the settings given as JSON."""
    mode.loop.use("uvloop")
    settings = msgspec.json.decode(sys.argv[1], type=NaiveSettings)
    Path(settings.datadir).mkdir(parents=True, exist_ok=True)
    app = build_app(settings)
    sys.argv = ["naive_agent", "worker", "-l", "warn", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()
