"""Create the topics as the design wants them; check before a start that they are there and fit together."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from stream_rec.config import Settings
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
VALUE_BYTES = 11 * 1024 * 1024
"""Largest record the topics take: what is too big for us is dead-lettered with a reason, not lost at the door."""

ITEM_ROWS_SEGMENT_BYTES = 32 * 1024 * 1024

ANSWER_TIMEOUT_MS = 15_000
CONNECT_TIMEOUT_MS = 5_000

logging.getLogger("kafka").addHandler(
    logging.NullHandler()
)  # a refused connection is one line of ours, not five of its


class TopicPlan(NamedTuple):
    """How one topic should be."""

    name: str
    config: Mapping[str, str]
    co_partitioned: bool = True  # as many partitions as every other such topic


def plans(settings: Settings) -> list[TopicPlan]:
    """Return the topics of these settings."""
    names = settings.topics
    source = {"max.message.bytes": str(VALUE_BYTES), "retention.ms": str(7 * DAY_MS)}
    compact = {"cleanup.policy": "compact"}
    model = {**compact, "max.message.bytes": str(VALUE_BYTES)}
    dead_letter = {"max.message.bytes": str(VALUE_BYTES), "retention.ms": str(30 * DAY_MS)}  # a batch holds many
    return [
        TopicPlan(names.clicks, source),
        TopicPlan(names.purchases, source),
        TopicPlan(names.items, {**compact, "max.message.bytes": str(VALUE_BYTES)}, co_partitioned=False),
        TopicPlan(names.item_deltas, {"retention.ms": str(7 * DAY_MS), "max.message.bytes": str(VALUE_BYTES)}),
        # small segments: a start reads all of item-rows, and only closed ones are compacted; busy rows come by the GB
        TopicPlan(
            names.item_rows, {**model, "segment.ms": str(HOUR_MS), "segment.bytes": str(ITEM_ROWS_SEGMENT_BYTES)}
        ),
        # short segments: a worker reads all of item-vectors for another version, and only closed ones are compacted
        TopicPlan(names.item_vectors, {**model, "segment.ms": str(HOUR_MS)}, co_partitioned=False),
        TopicPlan(names.models, model, co_partitioned=False),
        # the lag keeps what a restore needs to tell a returned zombie's record from the owner's
        TopicPlan(names.user_state, {**compact, "min.compaction.lag.ms": str(HOUR_MS)}),
        TopicPlan(names.recommendations, compact),
        TopicPlan(names.dead_letter, dead_letter, co_partitioned=False),
    ]


def create(settings: Settings) -> list[str]:
    """Create the topics that are missing and return their names; existing ones are left as they are.

    Raises
    ------
    ConfigError
        The broker is not there, or refuses.
    """
    from kafka.errors import KafkaError, TopicAlreadyExistsError

    with _admin(settings) as admin:
        existing = _partition_counts(admin)
        missing = [plan for plan in plans(settings) if plan.name not in existing]
        for plan in missing:
            try:
                admin.create_topics([_new_topic(plan, settings)], timeout_ms=ANSWER_TIMEOUT_MS)
            except TopicAlreadyExistsError:  # another one was faster
                continue
            except KafkaError as error:
                raise ConfigError(
                    f"topic {plan.name}: need it created; got {error}. Correct the topic or the settings."
                ) from error
        _wait_until_visible(admin, [plan.name for plan in missing])
        return [plan.name for plan in missing]


def check(settings: Settings) -> int:
    """Make sure that the topics exist and fit together; return the number of partitions of the user-keyed ones.

    Raises
    ------
    ConfigError
        The broker is not there, a topic is missing, or partition counts differ.
    """
    with _admin(settings) as admin:
        counts = _partition_counts(admin)
    wanted = plans(settings)
    missing = [plan.name for plan in wanted if plan.name not in counts]
    if missing:
        raise ConfigError(
            f"topics at {settings.kafka.bootstrap}: need {', '.join(missing)}; got none of that name. "
            "Run stream-rec topics create."
        )
    together = {plan.name: counts[plan.name] for plan in wanted if plan.co_partitioned}
    if len(set(together.values())) > 1:
        got = ", ".join(f"{name} {count}" for name, count in together.items())
        raise ConfigError(
            f"topics at {settings.kafka.bootstrap}: need equal partition counts; got {got}. "
            "Delete the odd ones and run stream-rec topics create."
        )
    return next(iter(together.values()))


def cluster_id(settings: Settings) -> str:
    """Return the cluster's id, which the local stores remember."""
    with _admin(settings) as admin:
        return str(admin.describe_cluster()["cluster_id"])


@contextmanager
def _admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(
            bootstrap_servers=settings.kafka.bootstrap.split(","),
            client_id=settings.kafka.client_id,
            request_timeout_ms=ANSWER_TIMEOUT_MS,
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
        )
    except (KafkaError, ValueError) as error:
        raise ConfigError(
            f"STREAM_REC_KAFKA__BOOTSTRAP: need a Kafka broker at {settings.kafka.bootstrap}; "
            f"got {error or type(error).__name__}. Start one (stream-rec kafka start) or correct the address."
        ) from error
    try:
        yield admin
    finally:
        admin.close()


def _partition_counts(admin: KafkaAdminClient) -> dict[str, int]:
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}


def _wait_until_visible(admin: KafkaAdminClient, names: list[str]) -> None:
    # brokers learn of new topics a moment after the controller has answered
    deadline = time.monotonic() + ANSWER_TIMEOUT_MS / 1000
    while hidden := [name for name in names if name not in _partition_counts(admin)]:
        if time.monotonic() > deadline:
            raise ConfigError(
                f"topics: need {', '.join(hidden)} visible after their creation; got none in time. Run it again."
            )
        time.sleep(0.05)


def _new_topic(plan: TopicPlan, settings: Settings) -> object:
    from kafka.admin import NewTopic

    return NewTopic(
        plan.name,
        num_partitions=settings.kafka.partitions,
        replication_factor=settings.kafka.replication,
        topic_configs=dict(plan.config),
    )
