"""Topic names, from the lanes and the channels. No other file spells a topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from ims.lanes import Lane


class Channel(StrEnum):
    """What a client asked for, as the path says it."""

    AT = "at"
    MT = "mt"


class SendType(StrEnum):
    """What goes out, after route has chosen."""

    AT = "AT"
    SMS = "SMS"
    LMS = "LMS"


# A one-time code is never an ad, AlimTalk may not carry ads [Kakao]: pairs that cannot exist have no topic.
_NO_TOPIC = {(SendType.AT, Lane.AD)}
_NO_RECV = {(Channel.AT, Lane.AD)}

STAGES = ("route", "send_mt", "send_kakao", "report", "callback", "store", "analyze", "deadletter")


class Leg(StrEnum):
    """Half of a lane's way. On one machine a process that reads a lane has one of them, or both; no topic is read in two."""

    OUT = "out"  # to the provider: route and send_*
    BACK = "back"  # to the customer: everything else


OUTWARD = tuple(s for s in STAGES if s == "route" or s.startswith("send_"))
BACKWARD = tuple(s for s in STAGES if s not in OUTWARD)


def legs(stages: Iterable[str]) -> list[Leg]:
    """The legs that these stages are of."""
    of = {Leg.OUT if stage in OUTWARD else Leg.BACK for stage in stages}
    return [leg for leg in Leg if leg in of]


ANALYZE = "ANALYZE-LOG"
AUDIT = "LOG-AUDIT"


def recv(channel: Channel, lane: Lane) -> str:
    """Accepted messages on their way to route."""
    return f"RECV-{channel.upper()}-{lane.upper()}"


def send(send_type: SendType, lane: Lane) -> str:
    """Messages of one type on their way to a provider."""
    return f"SEND-{send_type}-{lane.upper()}"


def sends(lane: Lane) -> list[str]:
    """Every topic of messages on their way to a provider."""
    return [send(t, lane) for t in SendType if (t, lane) not in _NO_TOPIC]


def report(lane: Lane) -> str:
    """Everything that became of messages."""
    return f"REPORT-{lane.upper()}"


def result(lane: Lane) -> str:
    """Settled messages, read by callback and by store."""
    return f"RESULT-{lane.upper()}"


def dead(stage: str) -> str:
    """What a stage could not handle."""
    return f"{stage}-DLT"


def consumed_by(stage: str, lane: Lane) -> list[str]:
    """The topics of one stage in one lane: what a KafkaSource, or our own dispatcher, subscribes to."""
    match stage:
        case "route":
            return [recv(c, lane) for c in Channel if (c, lane) not in _NO_RECV]
        case "send_mt":
            return [send(t, lane) for t in (SendType.SMS, SendType.LMS)]
        case "send_kakao":
            return [] if (SendType.AT, lane) in _NO_TOPIC else [send(SendType.AT, lane)]
        case "report":
            return [report(lane)]
        case "callback":
            return [result(lane)]
        case "store":
            return [result(lane), AUDIT]
        case "analyze":
            return [ANALYZE]
        case "deadletter":
            return [dead(s) for s in STAGES if s != "deadletter"]
        case _:
            raise ValueError(f"no stage is called {stage!r}")


class SourceOf(NamedTuple):
    """What one consumer group reads: the topics of a stage, of one lane or (none) of all lanes together."""

    stage: str
    lane: Lane | None
    topics: tuple[str, ...]

    @property
    def group(self) -> str:
        """The consumer group, on Kafka and Knative alike."""
        return f"ims-{self.stage.replace('_', '-')}-{self.lane or 'all'}"


def _laneless(topic: str) -> bool:
    return topic in (ANALYZE, AUDIT) or topic.endswith("-DLT")


def sources() -> Iterator[SourceOf]:
    """Every source of a log that all lanes share (Kafka): one per stage and lane, and one per stage for topics without a lane.

    On one machine each lane has a log file of its own, so topics without a lane exist once in each: `consumed_by`.
    """
    for stage in STAGES:
        shared: dict[str, None] = {}
        for lane in Lane:
            names = consumed_by(stage, lane)
            if own := tuple(t for t in names if not _laneless(t)):
                yield SourceOf(stage, lane, own)
            shared |= dict.fromkeys(t for t in names if _laneless(t))
        if shared:
            yield SourceOf(stage, None, tuple(shared))


@cache
def _read_outward() -> frozenset[str]:
    return frozenset(t for stage in OUTWARD for lane in Lane for t in consumed_by(stage, lane))


def leg_of(topic: str) -> Leg:
    """Which leg reads a topic."""
    return Leg.OUT if topic in _read_outward() else Leg.BACK


def all_topics(lane: Lane) -> list[str]:
    """Every topic that may hold an event of the lane, each once."""
    return list(dict.fromkeys(t for stage in STAGES for t in consumed_by(stage, lane)))
