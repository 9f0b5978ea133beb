"""Large things beside the records: an event too large for the log, uploaded lists and attachments."""

from __future__ import annotations

from typing import Protocol


class Files(Protocol):
    """Whole small-to-middling files (up to 64 MiB) by key. Keys are ours: [a-z0-9/-], at most 200 characters."""

    async def put(self, key: str, data: bytes) -> None:
        """Durable when it returns; the same key again replaces. Unavailable when the store is away."""
        ...

    async def get(self, key: str) -> bytes | None:
        """None when there is no such file."""
        ...

    async def delete(self, key: str) -> None:
        """Nothing happens when it is gone already."""
        ...

    async def close(self) -> None: ...
