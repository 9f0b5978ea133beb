"""Campaigns as their customers steer them: what is ordered of one, and how far it is.

An order is in the registry, which every process reads at most five seconds late. What it holds back is parked (`held`) in
its lane, not refused; what stands in a call that was begun is brought to its end, whatever is ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ims.ports.registers import Author


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


@dataclass(frozen=True, slots=True)
class Ordered:
    """What was said of a campaign, as it is kept. `approved_by` is a user name; empty: nobody."""

    state: State
    pace_per_s: int
    approved_by: str
    changed_at: int


class Campaigns(Protocol):
    """Orders. Durable when it returns, and in force in every process within five seconds."""

    async def find(self, service_key: str, campaign_id: str) -> Ordered | None:
        """As of now. None: nothing was ever ordered of it."""
        ...

    async def order(
        self,
        author: Author,
        service_key: str,
        campaign_id: str,
        *,
        state: State | None = None,
        pace_per_s: int | None = None,
        approved: bool = False,
    ) -> Ordered:
        """Change what is given, keep the rest; the change stands in the audit log. Who approved first stays the one who did.

        Rejected 1409 when it is cancelled: that is for ever. Done again it changes nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is, over all lanes: `counts` holds RECEIVED (accepted ones) and the results, each a number of messages."""

    counts: Mapping[str, int]
    held: Mapping[str, int]  # messages that wait, by reason

    @property
    def accepted(self) -> int:
        return self.counts.get("RECEIVED", 0)

    @property
    def settled(self) -> int:
        return sum(self.counts.values()) - self.accepted


class Progresses(Protocol):
    """Reads how far campaigns are. Each number is exact as of its read; a moving campaign moves between two of them."""

    async def of(self, service_key: str, campaign_id: str) -> Progress: ...
