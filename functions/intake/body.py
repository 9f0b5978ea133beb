"""Bodies of intake: JSON, of a message or of a list."""

from __future__ import annotations

from starlette.requests import Request

from ims.runtime.clients.bodies import json_body

ONE_BYTES = 1024 * 1024
MANY_BYTES = 32 * 1024 * 1024


async def read(request: Request, *, many: bool) -> bytes:
    """As ims.runtime.clients.bodies says."""
    return await json_body(request, MANY_BYTES if many else ONE_BYTES)
