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
    FT = "ft"
    BT = "bt"
    MT = "mt"
    EMAIL = "email"
    PUSH = "push"
    RCS = "rcs"

    @property
    def code(self) -> str:
        """As topics and reports name it: two letters (contract 5, domain 9.4)."""
        return _CHANNEL_CODE.get(self, self.value.upper())


_CHANNEL_CODE = {Channel.EMAIL: "EM", Channel.PUSH: "PU", Channel.RCS: "RC"}


class SendType(StrEnum):
    """What goes out, after route has chosen."""

    AT = "AT"
    BT = "BT"
    SMS = "SMS"
    LMS = "LMS"
    MMS = "MMS"
    EMAIL = "EMAIL"
    PUSH = "PUSH"
    RCS = "RCS"

    @property
    def report_type(self) -> str:
        """As results name it (domain 9.4)."""
        return _REPORT_TYPE.get(self, self.value)


_REPORT_TYPE = {SendType.EMAIL: "EM", SendType.PUSH: "PU"}

# AlimTalk may not carry ads, a brand message is never a one-time code [Kakao]: pairs that cannot exist have no topic.
_NO_TOPIC = {(SendType.AT, Lane.AD), (SendType.BT, Lane.AUTH)}
_NO_RECV = {(Channel.AT, Lane.AD), (Channel.FT, Lane.AUTH), (Channel.BT, Lane.AUTH)}

# What goes out for a channel; a text's type depends on its length and files.
TYPE_OF: dict[Channel, SendType] = {
    Channel.AT: SendType.AT,
    Channel.FT: SendType.BT,  # FriendTalk ended on 2025-12-31: its requests become brand messages to friends
    Channel.BT: SendType.BT,
    Channel.EMAIL: SendType.EMAIL,
    Channel.PUSH: SendType.PUSH,
    Channel.RCS: SendType.RCS,
}
SENDERS: dict[str, tuple[SendType, ...]] = {  # who makes the calls of which types
    "send_mt": (SendType.SMS, SendType.LMS, SendType.MMS),
    "send_kakao": (SendType.AT, SendType.BT),
    "send_email": (SendType.EMAIL,),
    "send_push": (SendType.PUSH,),
    "send_rcs": (SendType.RCS,),
}
STAGES = ("route", *SENDERS, "report", "callback", "store", "analyze", "deadletter")


class Leg(StrEnum):
    """Half of a lane's way. On one machine a process that reads a lane has one of them, or both; no topic is read in two."""

    OUT = "out"  # to the provider: route and send_*
    BACK = "back"  # to the customer: everything else


OUTWARD = ("route", *SENDERS)
BACKWARD = tuple(s for s in STAGES if s not in OUTWARD)


def legs(stages: Iterable[str]) -> list[Leg]:
    """The legs that these stages are of."""
    of = {Leg.OUT if stage in OUTWARD else Leg.BACK for stage in stages}
    return [leg for leg in Leg if leg in of]


ANALYZE = "ANALYZE-LOG"
AUDIT = "LOG-AUDIT"


def recv(channel: Channel, lane: Lane) -> str:
    """Accepted messages on their way to route."""
    return f"RECV-{channel.code}-{lane.upper()}"


def may_exist(channel: Channel, lane: Lane) -> bool:
    """Whether such messages exist at all: AlimTalk carries no ads, a brand message no one-time codes."""
    return (channel, lane) not in _NO_RECV


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
            return [recv(c, lane) for c in Channel if may_exist(c, lane)]
        case sender if sender in SENDERS:
            return [send(t, lane) for t in SENDERS[sender] if (t, lane) not in _NO_TOPIC]
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
