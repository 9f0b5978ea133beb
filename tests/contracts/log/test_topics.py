"""Topics made on a real cluster, and what is said of them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from ims.adapters.kafka import topics as under_test
from ims.adapters.kafka.connection import connect_to
from ims.adapters.kafka.layout import layouts
from ims.adapters.kafka.topics import apply_topics, check_topics
from ims.errors import Unavailable

from .logs import KafkaLog


@pytest.fixture
def prefix(connection, monkeypatch):
    """A few of the topics, under names of their own."""
    own = KafkaLog(connection).prefix

    def some(brokers, *, local):
        return [replace(layout, name=own + layout.name) for layout in layouts(brokers, local=local)[:4]]

    monkeypatch.setattr(under_test, "layouts", some)
    return own


def told(differences):
    return {(d.topic.split(".")[-1], d.what) for d in differences}


def test_they_are_made_once_and_then_nothing_differs(connection, prefix):
    names = [layout.name for layout in layouts(1)[:4]]
    assert told(check_topics(connection, local=True)) == {(name, "topic") for name in names}
    changed, left = apply_topics(connection, local=True)
    assert (told(changed), left) == ({(name, "topic") for name in names}, [])
    assert check_topics(connection, local=True) == []
    assert apply_topics(connection, local=True) == ([], [])


def test_partitions_are_added_and_settings_mended_what_is_more_stays(connection, prefix):
    apply_topics(connection, local=True)
    first, second = (layout.name for layout in layouts(1)[:2])
    admin = KafkaAdminClient(**connection.client("test"))
    admin.create_partitions({prefix + first: 40})
    admin.alter_configs(
        [
            ConfigResource(ConfigResourceType.TOPIC, prefix + first, {"retention.ms": "-1", "max.message.bytes": "5000000"}),
            ConfigResource(ConfigResourceType.TOPIC, prefix + second, {"retention.ms": "1000", "cleanup.policy": "compact"}),
        ]
    )
    admin.close()
    end = time.monotonic() + 10
    while (second, "cleanup.policy") not in told(check_topics(connection)) and time.monotonic() < end:
        time.sleep(0.1)  # brokers learn of it a moment later
    changed, left = apply_topics(connection)
    assert left == []
    assert {(second, "retention.ms"), (second, "cleanup.policy"), (second, "partitions")} <= told(changed)
    assert not [difference for difference in changed if difference.topic == prefix + first]
    assert check_topics(connection) == []


def test_no_cluster_is_unavailable(connection):
    nobody = replace(connect_to("kafka://127.0.0.1:1"), servers=("127.0.0.1:1",))
    with pytest.raises(Unavailable):
        check_topics(nobody)
