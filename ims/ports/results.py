"""Result arrays: what customers are told, by callback or by polling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ims.lanes import Lane
from ims.ports.records import StoredArray


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint with calls that are due."""

    key: str
    due: int  # how many, at most a page


class Results(Protocol):
    """Reads and marks result arrays of one lane; arrays are formed by `Journal.commit` only."""

    async def known(self, lane: Lane, ids: Sequence[str]) -> set[str]:
        """Which arrays exist already: a redelivered RESULT event forms none anew and leaves its calls to the retries."""
        ...

    async def endpoints_due(self, lane: Lane, now: int) -> list[Endpoint]:
        """Endpoints with calls that are due and unclaimed."""
        ...

    async def claim(self, lane: Lane, endpoint: str, now: int, until: int, limit: int) -> list[StoredArray]:
        """Take due arrays of one endpoint, the oldest first; nobody else gets them before `until`."""
        ...

    async def called(self, lane: Lane, array: str, *, acknowledged: bool, calls: int, due_at: int) -> None:
        """Mark what a call came to. `due_at` 0: no further call."""
        ...

    async def lease(self, service_key: str, batch_id: str, now: int, until: int, limit: int) -> list[tuple[StoredArray, int]]:
        """Hand out unacknowledged results over all lanes, the oldest first: (array, how many from its first unacknowledged)."""
        ...

    async def acknowledge(self, service_key: str, batch_id: str) -> bool:
        """Acknowledge what was handed out under a lease; False: the key has no such batch."""
        ...

    async def replay(self, service_key: str, from_ms: int, to_ms: int, now: int) -> int:
        """Make the arrays formed in a period due and unacknowledged again; how many results they hold."""
        ...

    async def release(self, lane: Lane, array: str, due_at: int) -> None:
        """Give an array back to the retries without having called."""
        ...
