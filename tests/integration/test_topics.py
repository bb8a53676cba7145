"""Topics are created as designed, and a start is refused in one line when they do not fit."""

from __future__ import annotations

import pytest

from stream_rec import config
from stream_rec.adapters import topics
from stream_rec.config import Settings
from stream_rec.errors import ConfigError

pytestmark = pytest.mark.kafka


def renamed(settings: Settings, **names: str) -> Settings:
    return settings.model_copy(update={"topics": settings.topics.model_copy(update=names)})


def test_created_topics_pass_the_check(live_settings: Settings) -> None:
    assert topics.check(live_settings) == live_settings.kafka.partitions


def test_creating_twice_changes_nothing(live_settings: Settings) -> None:
    assert topics.create(live_settings) == []


def test_the_changelog_is_compacted_but_not_too_soon(live_settings: Settings) -> None:
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType

    admin = KafkaAdminClient(bootstrap_servers=live_settings.kafka.bootstrap)
    try:
        answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, live_settings.topics.user_state)])
    finally:
        admin.close()
    assert "3600000" in str(answer)
    assert "compact" in str(answer)


def test_a_missing_topic_is_named_with_the_way_out(live_settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"need never-made; got none of that name\. Run stream-rec topics create"):
        topics.check(renamed(live_settings, purchases="never-made"))


def test_different_partition_counts_are_refused(live_settings: Settings) -> None:
    odd = renamed(live_settings, purchases=live_settings.topics.purchases + "-odd")
    topics.create(odd.model_copy(update={"kafka": odd.kafka.model_copy(update={"partitions": 3})}))
    with pytest.raises(ConfigError, match=r"need equal partition counts; got clicks-\w+ 4, purchases-\w+-odd 3"):
        topics.check(odd)


def test_no_broker_is_one_line_naming_the_command() -> None:
    from stream_rec.adapters.embedded_kafka import free_port

    nobody = config.load(kafka={"bootstrap": f"127.0.0.1:{free_port()}"})
    with pytest.raises(
        ConfigError, match=r"need a Kafka broker at 127\.0\.0\.1:\d+; got .* \(stream-rec kafka start\)"
    ) as e:
        topics.check(nobody)
    assert "\n" not in str(e.value)
