"""What a customer may order a campaign to do, and what its orders make of an event: go on, wait, or be cancelled.

An order is in the registry, which every process reads at most five seconds late. What it holds back is parked (`held`) in
its lane, not refused; what stands in a call that was begun is brought to its end, whatever is ordered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RESERVED_MS = 30 * 86_400_000  # contract 1: how far ahead a time may be reserved

# Reasons of held events.
GATED = "campaign"  # its campaign is paused, paced, or waits for an approval
RESERVED = "reserved"  # its time has not come


class State(StrEnum):
    """Where a campaign stands."""

    RUNNING = "running"
    WAITING = "waiting"  # for the approval that its customer's setting asks for
    PAUSED = "paused"
    CANCELLED = "cancelled"  # for ever


@dataclass(frozen=True, slots=True)
class Order:
    """What is ordered of a campaign. None where nothing is: it runs as fast as its lane does."""

    state: State
    pace_per_s: int = 0  # messages a second; 0: no limit of its own


def held_name(service_key: str, campaign_id: str) -> str:
    """How a campaign is named where events wait. Single messages have an empty campaign_id; neither part holds a slash."""
    return f"{service_key}/{campaign_id}"


def parts_of(name: str) -> tuple[str, str]:
    """Service key and campaign_id of a `held_name`."""
    key, _, campaign_id = name.partition("/")
    return key, campaign_id
