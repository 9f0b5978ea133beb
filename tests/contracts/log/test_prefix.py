"""Two installations on one cluster, told apart by the prefix in IMS_LOG."""

from __future__ import annotations

import os
from dataclasses import replace

from ims.adapters.kafka import topics as under_test
from ims.adapters.kafka.appender import KafkaAppender
from ims.adapters.kafka.layout import layouts
from ims.adapters.kafka.reader import KafkaReader
from ims.adapters.kafka.topics import apply_topics, check_topics

from .logs import LANE, REPORT, records


async def test_neither_reads_what_the_other_wrote(connection, monkeypatch):
    monkeypatch.setattr(under_test, "layouts", lambda brokers, *, local: [o for o in layouts(brokers, local=local) if o.name == REPORT])
    for name in ("one", "two"):
        own = replace(connection, prefix=f"{name}{os.getpid()}")
        apply_topics(own, local=True)
        assert check_topics(own, local=True) == []
        written = records(3)
        appender, reader = KafkaAppender(own), KafkaReader(own, "test")
        await appender.append(written)
        [(_, subscription)] = reader.subscribe([LANE], ["report"])
        got = []
        while len(got) < len(written):
            await subscription.wait(5)
            got += await subscription.fetch(10)
        assert {(d.topic, d.attributes["id"]) for d in got} == {(REPORT, r.id) for r in written}
        assert [events for _, events in await reader.lags([LANE], ["report"])] == [3]
        for delivery in got:
            subscription.finish(delivery)
        await subscription.close()
        assert [events for _, events in await reader.lags([LANE], ["report"])] == [0]
        await appender.close()
