"""Bodies of requests: read whole within a limit, and got rid of where nobody wants them."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from ims.errors import Rejected

DROPPED_BYTES = 64 * 1024 * 1024  # read away so that the client sees its answer instead of a broken connection
DROPPED_S = 10.0  # both are guesses; what exceeds them loses its connection


def content_type(request: Request) -> str:
    """The media type alone, in small letters. Rejected 1415 for a body that is packed."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Rejected("1415")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole(request: Request, limit: int, too_large: Rejected | None = None) -> bytes:
    """The body. `too_large` (1413 unless said) once it is longer, or says that it will be; the rest stays to be dropped."""
    refusal = too_large or Rejected("1413")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
        raise refusal
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise refusal
        chunks.append(chunk)
    request.state.body_is_read = True
    return b"".join(chunks)


async def json_body(request: Request, limit: int) -> bytes:
    """The whole body of a request that says it is JSON. Rejected 1415 or 1413; what is left of the body stays to be dropped."""
    if content_type(request) != "application/json":
        raise Rejected("1415")
    return await whole(request, limit)


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
