"""receipt: takes providers' delivery reports by webhook.

HTTP: POST /receipt/{provider}. Emits delivery.reported to REPORT-{lane}, synced to disk before the 200: a report that was
acknowledged is ours. Reports that come while the last append is on its way share the next event.
"""

from __future__ import annotations

from collections.abc import Mapping

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.receipt.take import Taker
from ims.errors import Later, Rejected
from ims.ports.providers import Provider
from ims.protocol.events import DeliveryReport
from ims.runtime import pools
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
    accounts = [p for p in pools.accounts(ctx.providers) if p.name == parts[1]]
    if not accounts:
        return JSONResponse({"code": "1404"}, 404)
    try:
        account, reports = _verified(accounts, request.headers, bytes(body), ctx.clock())
        await _taker().take(account.name, reports)
    except Rejected as exc:
        return JSONResponse({"code": exc.code}, 400 if exc.code != "1401" else 401)
    except Later:
        return JSONResponse({"code": "9998"}, 503)
    return Response(account.webhook_answer(bytes(body)), media_type="application/json")


def _verified(accounts: list[Provider], headers: Mapping[str, str], body: bytes, now: int) -> tuple[Provider, list[DeliveryReport]]:
    """The account whose secret signed the request, and its reports: a provider's accounts share one URL."""
    for account in accounts[:-1]:
        try:
            return account, account.webhook(headers, body, now)
        except Rejected:
            continue  # signed for another account, or wrong for all: the last one says
    return accounts[-1], accounts[-1].webhook(headers, body, now)
