"""Request bodies: their content type and size, and getting rid of those that nobody wants."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from ims.errors import Rejected

ONE_BYTES = 1024 * 1024
MANY_BYTES = 32 * 1024 * 1024
DROPPED_BYTES = 64 * 1024 * 1024  # read away so that the client sees its answer instead of a broken connection
DROPPED_S = 10.0  # both are guesses; what exceeds them loses its connection


async def read(request: Request, *, many: bool) -> bytes:
    """The whole body. Rejected 1415 or 1413; what is left of the body stays to be dropped."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Rejected("1415")
    limit = MANY_BYTES if many else ONE_BYTES
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
        raise Rejected("1413")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise Rejected("1413")
        chunks.append(chunk)
    request.state.body_is_read = True
    return b"".join(chunks)


async def drop(request: Request) -> None:
    """Read what is left of the body and forget it, within bounds of size and time."""
    if getattr(request.state, "body_is_read", False):
        return  # receiving again would wait for the client to go away
    left = DROPPED_BYTES
    try:
        async with asyncio.timeout(DROPPED_S):
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except (TimeoutError, ClientDisconnect):
        return
