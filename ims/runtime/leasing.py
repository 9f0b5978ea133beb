"""Whether a loop that runs for ever may work now: one copy of it at a time while the store of leases answers.

Leases spare double work; they do not make it right: what the loops take is taken in the records (due times moved on,
arrays claimed), under ids that are the same whoever does it. So when the store is away nobody stops for long:

| worker | without the store | why that is safe |
|---|---|---|
| deadlines | goes on | taking a row moves its due time; the event's id follows from the row |
| held | goes on | the release is one commit with the event, under the event's own id |
| callbacks | goes on | an array is claimed in its row; a customer knows a repeated webhook-id |
| reports | goes on | a report that is fetched twice changes a message once |

Who had the lease goes on as it did; the others wait until that lease would have ended, then help at a slower pace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

from ims.errors import Unavailable
from ims.ports.shared import Shared
from ims.telemetry import log

LEASE_S = 30.0
_RENEW_S = 10.0
_ASK_AGAIN_S = 2.0  # of a store that is away


class Turn(Enum):
    """What a loop may do now."""

    MINE = "mine"
    ALONE = "alone"  # nobody can say whose turn it is; whoever had it may be gone
    OTHERS = "others"


class Lease:
    """One loop's lease in one process."""

    def __init__(self, shared: Shared, name: str, owner: str, monotonic: Callable[[], float] | None = None) -> None:
        self._shared = shared
        self._name = name
        self._owner = owner
        self._monotonic = monotonic or asyncio.get_running_loop().time
        self._turn = Turn.OTHERS
        self._ask_at = float("-inf")
        self._away_since: float | None = None

    async def turn(self) -> Turn:
        """Asks the store only as often as it must."""
        now = self._monotonic()
        if now < self._ask_at and self._turn is not Turn.OTHERS:
            return self._turn
        try:
            mine = await self._shared.lease(self._name, self._owner, LEASE_S)
        except Unavailable:
            if self._away_since is None:
                self._away_since = now
                log.warning("lease_unknown", worker=self._name)
            self._ask_at = now + _ASK_AGAIN_S
            if self._turn is Turn.OTHERS and now - self._away_since >= LEASE_S:
                self._turn = Turn.ALONE
            return self._turn
        self._away_since = None
        self._ask_at = now + _RENEW_S
        self._turn = Turn.MINE if mine else Turn.OTHERS
        return self._turn
