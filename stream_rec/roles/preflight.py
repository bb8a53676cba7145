"""What has to be right before a worker starts anything; each failure is one line and exit code 2."""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.adapters import topics
from stream_rec.adapters.user_store_rocksdb import RocksUserStore, new_cache, store_folder
from stream_rec.config import Settings
from stream_rec.errors import ConfigError

CHECK_CACHE_BYTES = 1 << 20


class Surroundings(NamedTuple):
    """What the checks found: the cluster, and the partition count of the user-keyed topics."""

    cluster_id: str
    partitions: int


def check(settings: Settings) -> Surroundings:
    """Check the broker, the topics and the stores.

    Raises
    ------
    ConfigError
        The broker does not answer, a topic is missing, partition counts differ, or a store belongs to another cluster
        or to a changelog that was made anew.
    """
    surroundings = Surroundings(topics.cluster_id(settings), topics.check(settings))
    positions = _store_positions(settings, surroundings)
    if any(positions.values()):
        _check_positions(settings, positions)
    return surroundings


def _store_positions(settings: Settings, surroundings: Surroundings) -> dict[int, int]:
    """Open and close each store there is: one of another cluster, or one in use, is refused."""
    cache = new_cache(CHECK_CACHE_BYTES)
    positions = {}
    for partition in range(surroundings.partitions):
        if store_folder(settings.worker.data_dir, partition).is_dir():
            store = RocksUserStore(settings.worker.data_dir, partition, surroundings.cluster_id, cache)
            positions[partition] = store.position
            store.close()
    return positions


def _check_positions(settings: Settings, positions: dict[int, int]) -> None:
    from kafka import KafkaConsumer, TopicPartition

    topic = settings.topics.user_state
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap.split(","))
    try:
        ends = consumer.end_offsets([TopicPartition(topic, partition) for partition in positions])
    finally:
        consumer.close()
    for place, end in ends.items():
        if positions[place.partition] > end:
            raise ConfigError(
                f"user store {store_folder(settings.worker.data_dir, place.partition)}: need a position up to {end}, "
                f"the end of {topic}-{place.partition}; got {positions[place.partition]}. "
                "The topic was made anew: run `stream-rec reset`."
            )
