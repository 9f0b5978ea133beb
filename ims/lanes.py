"""The four classes of traffic: the one table from which topics, files, processes and manifests follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Lane(StrEnum):
    """A class of messages that shares nothing slow with another class. Order is priority."""

    AUTH = "auth"
    REALTIME = "realtime"
    MASS = "mass"
    AD = "ad"


@dataclass(frozen=True, slots=True)
class LaneTraits:
    """What differs from lane to lane."""

    letter: str  # first character of every id born in the lane
    priority: int  # 0 is the most urgent
    send_within_s: int  # contract: no provider call later than this after acceptance, unless expires_at says earlier
    reserved: bool  # keeps instances and provider rate of its own; never waits behind an unreserved lane
    batch_rows: int  # members of one birth event, at most


TRAITS: dict[Lane, LaneTraits] = {
    Lane.AUTH: LaneTraits("u", 0, 180, True, 200),
    Lane.REALTIME: LaneTraits("r", 1, 3_600, True, 200),
    Lane.MASS: LaneTraits("m", 2, 86_400, False, 200),
    Lane.AD: LaneTraits("d", 3, 86_400, False, 200),
}
LANE_OF_LETTER: dict[str, Lane] = {traits.letter: lane for lane, traits in TRAITS.items()}

MASS_FROM_RECIPIENTS = 200  # contract 4: this many recipients in one request are mass
EVENT_BYTES = 48 * 1024  # design 2: an event holds at most about this much, so that a topic's partitions stay even


def lower(a: Lane, b: Lane) -> Lane:
    """The less urgent of two lanes: wishes may only lower what a service key allows."""
    return a if TRAITS[a].priority >= TRAITS[b].priority else b
