"""receipt: takes providers' delivery reports by webhook.

HTTP: POST /receipt/{provider}. Emits delivery.reported to REPORT-{lane}, synced to disk before the 200: a report that was
acknowledged is ours. Reports that come while the last append is on its way share the next event.
"""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.receipt.take import Taker
from ims.errors import Later, Rejected
from ims.runtime.context import current

MAX_BODY_BYTES = 4 * 1024 * 1024  # a provider's largest batch of reports is well under 1 MiB
_takers: dict[int, Taker] = {}


def _taker() -> Taker:
    ctx = current()
    return _takers.setdefault(id(ctx), Taker(ctx))


@functions_framework.aio.http
async def main(request: Request) -> Response:
    """Entry point."""
    parts = request.url.path.strip("/").split("/")
    if len(parts) != 2 or parts[0] != "receipt":
        return JSONResponse({"code": "1404"}, 404)
    if request.method != "POST":
        return JSONResponse({"code": "1405"}, 405)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return JSONResponse({"code": "1413"}, 413)
    ctx = current()
    provider = next((p for p in ctx.providers.values() if p.name == parts[1]), None)
    if provider is None:
        return JSONResponse({"code": "1404"}, 404)
    try:
        reports = provider.webhook(request.headers, bytes(body), ctx.clock())
        await _taker().take(provider.name, reports)
    except Rejected as exc:
        return JSONResponse({"code": exc.code}, 400 if exc.code != "1401" else 401)
    except Later:
        return JSONResponse({"code": "9998"}, 503)
    return JSONResponse({"code": "0000", "msgKey": ""})
