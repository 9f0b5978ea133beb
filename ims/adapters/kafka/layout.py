"""How each topic is laid out: partitions, copies, retention. The one table of it.

A group has at most as many members at work as its topics have partitions, and a member has about 49 events open: rate = members x 49 /
latency of the function. Partitions may be added, never taken away; keys spread evenly and no order between keys is promised, so adding is
harmless.
"""

from __future__ import annotations

from dataclasses import dataclass

from ims import topics
from ims.adapters.kafka.connection import MAX_RECORD_BYTES
from ims.lanes import TRAITS, Lane

DAY_S = 86_400
COPIES = 3
LOCAL_PARTITIONS = 2  # of one machine: enough for two members to share, little enough for hundreds of topics on it


@dataclass(frozen=True, slots=True)
class Sizes:
    """What differs from lane to lane."""

    partitions: int
    retention_s: int


SIZES: dict[Lane | None, Sizes] = {
    Lane.AUTH: Sizes(6, 7 * DAY_S),  # few and small; provider calls of 300 ms leave 6 members 980 events a second
    Lane.REALTIME: Sizes(12, 7 * DAY_S),
    Lane.MASS: Sizes(24, 3 * DAY_S),  # full events of 40 KiB: longer costs disks, and nothing of it may be sent after a day
    Lane.AD: Sizes(12, 3 * DAY_S),
    None: Sizes(6, 7 * DAY_S),  # dead letters, audit, traces: one record an event at most, of all lanes
}


@dataclass(frozen=True, slots=True)
class Layout:
    """One topic as it should be."""

    name: str
    partitions: int
    copies: int
    at_least: dict[str, int]  # an operator may have set more
    exactly: dict[str, str]

    def configs(self) -> dict[str, str]:
        """As the broker takes them."""
        return {name: str(value) for name, value in self.at_least.items()} | self.exactly


def layouts(brokers: int, *, local: bool = False) -> list[Layout]:
    """Every topic of ours on a cluster of so many brokers; `local`: for one machine."""
    copies = min(brokers, COPIES)
    lane_of = {topic: source.lane for source in topics.sources() for topic in source.topics}
    lane_of[topics.dead("deadletter")] = None
    return [
        Layout(
            name,
            LOCAL_PARTITIONS if local else SIZES[lane].partitions,
            copies,
            {
                "retention.ms": _retention_s(lane) * 1000,
                "min.insync.replicas": max(1, copies - 1),
                "max.message.bytes": MAX_RECORD_BYTES + 48_588,  # a batch of one record, its key and its frame: Kafka's own default
            },
            {"cleanup.policy": "delete", "unclean.leader.election.enable": "false"},
        )
        for name, lane in lane_of.items()
    ]


def _retention_s(lane: Lane | None) -> int:
    """A group that begins again from the earliest offset must find everything that may still be sent; a day for it to be noticed."""
    longest = max(TRAITS[each].send_within_s for each in ([lane] if lane else Lane))
    return max(SIZES[lane].retention_s, longest + DAY_S)
