"""The HTTP face of IMS: headers, limits and order of checks; every answer is JSON with a code and carries x-ims-trace.

Order: path, method, version, credential, service key, address, channel, content type, size, content, caps, callback_url.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from functions.intake import attached, reports
from functions.intake.body import read
from functions.intake.openapi import document
from functions.intake.ports import Acceptance, IntakePorts
from functions.intake.routes import Action, Route, route
from functions.intake.unsubscribe import unsubscribe
from functions.intake.validate import Many, RowError, read_many, read_single
from ims.codes import CODES
from ims.errors import Rejected
from ims.ports.registry import ServiceKey
from ims.rules.faults import Fault, Rejections
from ims.runtime.clients.answers import answered, success
from ims.runtime.clients.callers import Asker, asker_of
from ims.telemetry import REFUSED
from ims.topics import Channel

LISTED_ROW_ERRORS = 1_000  # contract 1: listed; all are counted


async def answer(request: Request, ctx: IntakePorts) -> Response:
    """The answer to any request under /ims that is intake's. Raises nothing."""
    return await answered(request, lambda trace, english: _answer(request, ctx, trace, english), "intake_fault")


async def _answer(request: Request, ctx: IntakePorts, trace: str, english: bool) -> Response:
    wanted = route(request.method, request.scope["path"])
    if wanted.action is Action.DOCUMENT:
        return Response(document(), media_type="application/json")
    if wanted.action is Action.UNSUBSCRIBE:
        return await unsubscribe(request, ctx, wanted.id)
    asker = await asker_of(request, ctx, wanted.service_key)
    match wanted:
        case Route(action=Action.SEND_ONE, channel=Channel() as channel):
            return await _send_one(request, ctx, channel, asker, trace)
        case Route(action=Action.SEND_MANY, channel=Channel() as channel):
            return await _send_many(request, ctx, channel, asker, trace=trace, english=english)
        case Route(action=Action.REPLAY):
            return success({"queued": await reports.replay(await read(request, many=False), ctx, asker.key)})
        case Route(action=Action.POLL):
            return success(await reports.poll(request.url.query, ctx, asker.key))
        case Route(action=Action.READ):
            return success(await reports.one(request.url.query, ctx, asker.key, wanted.id))
        case Route(action=Action.ACKNOWLEDGE):
            return success(await reports.acknowledge(request.url.query, ctx, asker.key, wanted.id))
        case _:
            raise Rejected("1404")


async def _admit(ctx: IntakePorts, key: ServiceKey, rows: int, callback_url: str) -> None:
    """What is asked of others before anything is accepted."""
    if callback_url and not await ctx.check_url(callback_url):
        raise Rejections([Fault("callback_url", "1400", "호출할 수 없는 주소입니다.", "It leads to an address that may not be called.")])
    if not await ctx.draw(key, rows):
        raise Rejected("1429")


async def _send_one(request: Request, ctx: IntakePorts, channel: Channel, asker: Asker, trace: str) -> Response:
    accepted = read_single(channel, await read(request, many=False), asker)
    try:
        if accepted.too_late:
            raise Rejections(accepted.too_late)
        await attached.check(ctx, asker.customer.name, accepted.files, accepted.send_by_ms)
        await _admit(ctx, asker.key, 1, accepted.shared.callback_url)
    except Rejected:
        if not await ctx.accepted_before(asker.key.kind, accepted):
            raise
        how: Acceptance = "replayed"
    else:
        how = await ctx.accept_single(asker.key.kind, accepted, trace)
    response = success(accepted.row.message_id)
    if how == "replayed":
        response.headers["x-ims-replayed"] = "true"
    return response


async def _send_many(request: Request, ctx: IntakePorts, channel: Channel, asker: Asker, *, trace: str, english: bool) -> Response:
    many = read_many(channel, await read(request, many=True), asker, english=english)
    await attached.check(ctx, asker.customer.name, many.files, many.send_by_ms)
    await _admit(ctx, asker.key, many.total, many.shared.callback_url)
    rejected, listed = await _accept_all(ctx, asker.key, many, trace)
    errors = [
        {"index": e.index, "message_id": e.message_id, "code": e.code, "message": e.message or CODES[e.code].text(english)} for e in listed
    ]
    return success({"campaign_id": many.campaign_id, "accepted": many.total - rejected, "rejected": rejected, "errors": errors})


async def _accept_all(ctx: IntakePorts, key: ServiceKey, many: Many, trace: str) -> tuple[int, list[RowError]]:
    """Slice by slice. What was accepted before a failure stays accepted; the client repeats the request (contract 1)."""
    rejected = 0
    listed: list[RowError] = []
    for part in many.slices():
        errors = part.errors
        if part.rows:
            errors = sorted([*errors, *await ctx.accept_rows(key.kind, many, part, trace)], key=lambda error: error.index)
        rejected += len(errors)
        for error in errors:
            REFUSED.labels(error.code).inc()
        listed += errors[: LISTED_ROW_ERRORS - len(listed)]
        await asyncio.sleep(0)  # other requests get their turn even when every row of a slice was bad
    return rejected, listed
