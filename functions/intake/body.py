"""Bodies of intake: JSON, of a message or of a list."""

from __future__ import annotations

from starlette.requests import Request

from ims.errors import Rejected
from ims.runtime.clients.bodies import content_type, whole

ONE_BYTES = 1024 * 1024
MANY_BYTES = 32 * 1024 * 1024


async def read(request: Request, *, many: bool) -> bytes:
    """The whole body. Rejected 1415 or 1413; what is left of the body stays to be dropped."""
    if content_type(request) != "application/json":
        raise Rejected("1415")
    return await whole(request, MANY_BYTES if many else ONE_BYTES)
