"""Large things beside the records: an event too large for the log, uploaded lists and attachments."""

from __future__ import annotations

import re
from typing import Protocol

MOST_BYTES = 64 * 1024 * 1024
_KEY = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*")


class Files(Protocol):
    """Whole small-to-middling files (up to 64 MiB) by key. What they hold is sealed by the caller.

    Keys are ours: [a-z0-9/-], at most 200 characters, parts between slashes never empty (`checked`). Unavailable when the
    store is away; whether the call had its effect is then unknown, and it may be repeated.
    """

    async def put(self, key: str, data: bytes) -> None:
        """Durable when it returns; the same key again replaces. A reader sees all of it or nothing."""
        ...

    async def get(self, key: str) -> bytes | None:
        """None when there is no such file."""
        ...

    async def delete(self, key: str) -> None:
        """Nothing happens when it is gone already."""
        ...

    async def drop_page(self, folder: str, before: str, limit: int) -> int:
        """Delete up to `limit` files whose keys lie between `folder/` and `folder/before`; how many went, 0 when none is left."""
        ...

    async def close(self) -> None: ...


def checked(key: str) -> str:
    """The key. ValueError when it could leave its place, or is none of ours."""
    if len(key) > 200 or _KEY.fullmatch(key) is None:
        raise ValueError("a file's key is [a-z0-9/-], at most 200 characters, with no empty part")
    return key
