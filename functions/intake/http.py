"""The HTTP face of IMS: headers, limits and order of checks; every answer is JSON with a code and carries x-ims-trace.

Order: path, method, version, credential, service key, address, channel, content type, size, content, caps, callback_url.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from functions.intake import credentials, reports
from functions.intake.body import drop, read
from functions.intake.content import Asker
from functions.intake.faults import Fault, Rejections
from functions.intake.openapi import document
from functions.intake.ports import Acceptance, IntakePorts
from functions.intake.routes import Action, Route, WrongMethod, route
from functions.intake.validate import Many, RowError, read_many, read_single
from ims.codes import CODES, SUCCESS
from ims.errors import Later, Rejected
from ims.ports.registry import ServiceKey
from ims.telemetry import REFUSED, log
from ims.topics import Channel

VERSION = "version-1"
LISTED_ROW_ERRORS = 1_000  # contract 1: listed; all are counted
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


async def answer(request: Request, ctx: IntakePorts) -> Response:
    """The answer to any request under /ims. Raises nothing."""
    trace = _trace(request)
    english = speaks_english(request.headers.get("accept-language", ""))
    try:
        response = await _answer(request, ctx, trace, english)
    except Rejected as exc:
        await drop(request)
        response = _failure(exc, english)
    except Later:
        response = _failure(Rejected("9998"), english)
    except ClientDisconnect:
        response = _failure(Rejected("1400"), english)  # nobody reads it
    except Exception as exc:  # the last one who can keep a stack trace out of the answer
        log.error("intake_fault", error=type(exc).__name__, trace=trace[3:35])
        response = _failure(Rejected("9999"), english)
    response.headers["x-ims-trace"] = trace[3:35]
    return response


def speaks_english(accept_language: str) -> bool:
    """Korean, unless the caller prefers English to it."""
    weights = {"ko": 0.0, "en": 0.0}
    for part in accept_language[:200].lower().split(","):
        tag, _, parameter = part.partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameter)
        weight = float(match[1]) if match else 1.0
        language = tag.strip().partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], weight)
    return weights["en"] > weights["ko"]


def _trace(request: Request) -> str:
    """The caller's W3C traceparent, or a new one."""
    given = request.headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


async def _answer(request: Request, ctx: IntakePorts, trace: str, english: bool) -> Response:
    wanted = route(request.method, request.scope["path"])
    if wanted.action is Action.DOCUMENT:
        return Response(document(), media_type="application/json")
    asker = await _asker(request, ctx, wanted.service_key)
    match wanted.action:
        case Action.SEND_ONE:
            return await _send_one(request, ctx, wanted, asker, trace)
        case Action.SEND_MANY:
            return await _send_many(request, ctx, wanted, asker, trace=trace, english=english)
        case Action.REPLAY:
            return _success({"queued": await reports.replay(await read(request, many=False), ctx, asker.key)})
        case Action.POLL:
            return _success(await reports.poll(request.url.query, ctx, asker.key))
        case Action.READ:
            return _success(await reports.one(request.url.query, ctx, asker.key, wanted.id))
        case Action.ACKNOWLEDGE:
            return _success(await reports.acknowledge(request.url.query, ctx, asker.key, wanted.id))


async def _asker(request: Request, ctx: IntakePorts, service_key: str) -> Asker:
    """The caller, authenticated. A foreign key is answered as an unknown one is."""
    if request.headers.get("x-ims-version") != VERSION:
        raise Rejected("1402")
    pair = credentials.parse(request.headers.get("x-ims-key", ""))
    if pair is None:
        raise Rejected("1401")
    customer = await ctx.customer_of(pair[0])
    if not credentials.matches(customer, *pair) or customer is None:
        raise Rejected("1401")
    directory = await ctx.registry.directory()
    key = directory.service_key(service_key)
    if key is None or key.customer != customer.name:
        raise Rejected("1100")
    if not key.active:
        raise Rejected("1101")
    if not credentials.may_come_from(request.client.host if request.client else "", key.allowed_ips):
        raise Rejected("1403")
    return Asker(key, customer, directory, ctx.now())


def _served(wanted: Route) -> Channel:
    if wanted.channel is None:
        raise Rejections([Fault("", "4001", "아직 지원하지 않는 채널입니다.", "This channel is not served yet.")])
    return wanted.channel


async def _admit(ctx: IntakePorts, key: ServiceKey, rows: int, callback_url: str) -> None:
    """What is asked of others before anything is accepted."""
    if callback_url and not await ctx.check_url(callback_url):
        raise Rejections([Fault("callback_url", "1400", "호출할 수 없는 주소입니다.", "It leads to an address that may not be called.")])
    if not await ctx.draw(key, rows):
        raise Rejected("1429")


async def _send_one(request: Request, ctx: IntakePorts, wanted: Route, asker: Asker, trace: str) -> Response:
    accepted = read_single(_served(wanted), await read(request, many=False), asker)
    try:
        if accepted.too_late:
            raise Rejections(accepted.too_late)
        await _admit(ctx, asker.key, 1, accepted.shared.callback_url)
    except Rejected:
        if not await ctx.accepted_before(asker.key.kind, accepted):
            raise
        how: Acceptance = "replayed"
    else:
        how = await ctx.accept_single(asker.key.kind, accepted, trace)
    response = _success(accepted.row.message_id)
    if how == "replayed":
        response.headers["x-ims-replayed"] = "true"
    return response


async def _send_many(request: Request, ctx: IntakePorts, wanted: Route, asker: Asker, *, trace: str, english: bool) -> Response:
    many = read_many(_served(wanted), await read(request, many=True), asker, english=english)
    await _admit(ctx, asker.key, many.total, many.shared.callback_url)
    rejected, listed = await _accept_all(ctx, asker.key, many, trace)
    errors = [
        {"index": e.index, "message_id": e.message_id, "code": e.code, "message": e.message or CODES[e.code].text(english)} for e in listed
    ]
    return _success({"campaign_id": many.campaign_id, "accepted": many.total - rejected, "rejected": rejected, "errors": errors})


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


def _success(data: Any) -> Response:
    return Response(msgspec.json.encode({"code": SUCCESS, "data": data}), media_type="application/json")


def _failure(exc: Rejected, english: bool) -> Response:
    code = CODES[exc.code]
    REFUSED.labels(code.code).inc()
    if isinstance(exc, Rejections):
        errors = [{"field": f.field, "code": f.code, "message": f.message(english)} for f in exc.errors]
        body: dict[str, Any] = {"code": code.code, "message": exc.errors[0].message(english), "errors": errors}
    else:
        body = {"code": code.code, "message": code.text(english)}
        if exc.field:
            body["errors"] = [{"field": exc.field, "code": code.code, "message": code.text(english)}]
    response = Response(msgspec.json.encode(body), code.status, media_type="application/json")
    if code.retry_after_s is not None:
        response.headers["retry-after"] = str(code.retry_after_s)
    if isinstance(exc, WrongMethod):
        response.headers["allow"] = exc.allowed
    return response
