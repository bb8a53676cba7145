"""Topics of one run. Lists are stamped by the broker when it appends them, and never compacted: they are counted."""

from __future__ import annotations

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from benchmarks.systems import NAIVE, Site

STAMPED = {"message.timestamp.type": "LogAppendTime"}
COMPACTED = {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"}
CONFIGS = {"recommendations": STAMPED, "user_state": COMPACTED, "item_rows": COMPACTED, "items": COMPACTED}
CONFIGS |= {"models": COMPACTED, "item_vectors": COMPACTED}


def create_topics(site: Site, system: str) -> None:
    """Create every topic of a run; the naive agent keeps all items in one shard."""
    topics = [
        NewTopic(
            name,
            1 if (system, setting) == (NAIVE, "item_deltas") else site.partitions,
            1,
            topic_configs=CONFIGS.get(setting, {}),
        )
        for setting, name in site.topics.items()
    ]
    _create(site.bootstrap, topics)


def create_hop_topic(site: Site) -> str:
    """Create and name the topic of the plain hop."""
    name = f"hop-{site.name}"
    _create(site.bootstrap, [NewTopic(name, site.partitions, 1)])
    return name


def _create(bootstrap: str, topics: list[NewTopic]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics(topics)
    finally:
        admin.close()
