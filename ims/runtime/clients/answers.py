"""Answers to clients: JSON with a code, x-ims-trace on every one, Korean or English, and no exception that gets out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ims.codes import CODES, SUCCESS
from ims.errors import Later, Rejected
from ims.rules.faults import Rejections
from ims.runtime.clients.bodies import drop
from ims.telemetry import REFUSED, log

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Handle = Callable[[str, bool], Awaitable[Response]]  # given the trace and whether the caller prefers English


class WrongMethod(Rejected):
    """1405; `allowed` goes into the Allow header."""

    def __init__(self, allowed: str) -> None:
        super().__init__("1405")
        self.allowed = allowed


async def answered(request: Request, handle: Handle, fault: str) -> Response:
    """What `handle` answers, or what its error means. Raises nothing; `fault` names our own in the log."""
    trace = trace_of(request)
    english = speaks_english(request.headers.get("accept-language", ""))
    try:
        response = await handle(trace, english)
    except Rejected as exc:
        await drop(request)
        response = failure(exc, english)
    except Later:
        response = failure(Rejected("9998"), english)
    except ClientDisconnect:
        response = failure(Rejected("1400"), english)  # nobody reads it
    except Exception as exc:  # the last one who can keep a stack trace out of the answer
        log.error(fault, error=type(exc).__name__, trace=trace[3:35])
        response = failure(Rejected("9999"), english)
    response.headers["x-ims-trace"] = trace[3:35]
    return response


def success(data: Any) -> Response:
    """0000 with what was asked for."""
    return Response(msgspec.json.encode({"code": SUCCESS, "data": data}), media_type="application/json")


def failure(exc: Rejected, english: bool) -> Response:
    """A code, its words, and each fault with its field."""
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


def trace_of(request: Request) -> str:
    """The caller's W3C traceparent, or a new one."""
    given = request.headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
