"""What intake needs from the one who runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from functions.intake.validate import Accepted, Many, RowError, Slice
from ims.lanes import Lane
from ims.ports.attachments import Upload
from ims.ports.registry import ServiceKey
from ims.runtime.clients.callers import Reception

Acceptance = Literal["fresh", "replayed"]


class IntakePorts(Reception, Protocol):
    """Everything behind the HTTP face. Any of these may raise `Later`, which is answered 9998 with HTTP 503."""

    async def accept_single(self, kind: Lane, accepted: Accepted, trace: str) -> Acceptance:
        """Durably accepted when it returns; `kind` is the service key's. Rejected 2030 when the id had other content."""
        ...

    async def accepted_before(self, kind: Lane, accepted: Accepted) -> bool:
        """Whether this very message was accepted within 24 hours: then it is answered again, whatever the hour or the caps."""
        ...

    async def accept_rows(self, kind: Lane, many: Many, part: Slice, trace: str) -> list[RowError]:
        """Durably accepted when it returns, but for the rows named (2030); a replayed row counts as accepted."""
        ...

    async def find_files(self, keys: Sequence[str]) -> Mapping[str, Upload]:
        """The uploaded files of these keys that live, whosever they are."""
        ...

    async def check_url(self, url: str) -> bool:
        """Whether a callback_url leads to a place that may be called, after resolution. The allow list was checked before."""
        ...

    async def draw(self, key: ServiceKey, rows: int) -> bool:
        """Whether the key's rate and daily cap allow so many recipients now; they are taken if so."""
        ...

    def may_refuse(self, token: str) -> None:
        """Rejected 1404 when a link to opt out was not made by us."""
        ...

    async def refuse(self, token: str) -> None:
        """Whoever holds the link has opted out when it returns. Rejected 1404 as above."""
        ...

    async def poll(self, key: ServiceKey, limit: int) -> tuple[str | None, Sequence[Mapping[str, Any]]]:
        """A batch of results under a lease of 120 s, with its id; none and nothing when there are none."""
        ...

    async def acknowledge(self, key: ServiceKey, batch_id: str) -> bool:
        """False when the key has no such batch."""
        ...

    async def read(self, key: ServiceKey, message_id: str) -> Mapping[str, Any] | None:
        """The newest message of that id."""
        ...

    async def replay(self, key: ServiceKey, from_ms: int | None, to_ms: int | None, message_ids: Sequence[str]) -> int:
        """How many results were queued again: those of a period, or those of up to 1,000 messages."""
        ...
