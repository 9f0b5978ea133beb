"""A stub of Bizgo's documented HTTP interface, for tests: what it takes is validated by the SDK's own models.

Not a double of our adapter: it knows the SDK and the documents, and nothing of `calls.py`. Delivers nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
from aiohttp import web

API_KEY = "stub-key-not-real"
_MOBILE = re.compile(r"01\d{8,9}")
_KST = timezone(timedelta(hours=9))
_MSG_TYPE = {"sms": ("SMS", "SM"), "mms": ("MMS", "MM"), "alimtalk": ("ALIMTALK", "AT"), "brandmessage": ("BRANDMESSAGE", "FT")}
_MSG_TYPE |= {"rcs": ("RCS", "RCS")}


@dataclass(slots=True)
class Sent:
    """One message that was accepted."""

    ref: str
    to: str
    key: str
    channel: str
    msg_key: str


@dataclass(slots=True)
class Stub:
    """State and script of one stubbed account."""

    mode: str = "ok"  # ok, 429, away, 500, garbage, close_before, close_after, hang, or a service code such as A327
    modes: list[str] = field(default_factory=list)  # for the next calls, before `mode`
    codes: dict[str, str] = field(default_factory=dict)  # number: code of that destination
    outcomes: dict[str, str | None] = field(default_factory=dict)  # number: report code; None: never reported
    sent: list[Sent] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    uploads: list[tuple[str, bytes]] = field(default_factory=list)  # where, what
    upload_modes: list[str] = field(default_factory=list)  # for the next uploads: 429, away, refused, garbage, close
    reports: list[dict[str, Any]] = field(default_factory=list)  # unacknowledged
    _keys: set[str] = field(default_factory=set)
    _batches: dict[str, int] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def app(self) -> web.Application:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_post("/api/comm/v1/send/omni", self._send)
        app.router.add_post("/api/comm/v1/file/{use:mms|rcs}", self._upload)
        app.router.add_get("/api/comm/v1/report/polling", self._poll)
        app.router.add_delete("/api/comm/v1/report/polling/{report_id}", self._acknowledge)
        return app

    async def _send(self, request: web.Request) -> web.StreamResponse:
        mode = self.modes.pop(0) if self.modes else self.mode
        if request.headers.get("Authorization") != API_KEY:
            return _answer(401, {"common": _common("A401", "Unauthorized")})
        match mode:
            case "429":
                return _answer(429, _service("A020", "Ratelimit"), {"Retry-After": "1"})
            case "500":
                return _answer(500, _service("A910", "Internal server error"))
            case "away":
                return web.Response(status=502, text="Bad Gateway")
            case "close_before":
                return _cut(request)
            case "hang":
                await asyncio.sleep(60)
                return _cut(request)
        from pydantic import ValidationError

        raw = msgspec.json.decode(await request.read())
        self.bodies.append(raw)
        from bizgo.models import SendOmniRequest

        try:
            body = SendOmniRequest.model_validate(raw)
        except ValidationError as exc:
            fields = {str(error["loc"][0]) for error in exc.errors() if error["loc"]}
            return _answer(400, _service("A318" if fields == {"destinations"} else "A300", "invalid"))
        if body.idempotency_key and body.idempotency_ttl is None:
            return _answer(400, _service("A309", "idempotencyTtl"))
        if mode.startswith("A"):
            from bizgo._error_codes import SERVICE_CODES

            return _answer(SERVICE_CODES.get(mode, (400, ""))[0], _service(mode, "refused"))
        answer = _service("A000", "Success", {"destinations": self._take(body, raw)})
        if mode == "close_after":
            return _cut(request)
        return web.Response(text="<html>") if mode == "garbage" else _answer(200, answer)

    def _take(self, body: Any, raw: dict[str, Any]) -> list[dict[str, str]]:
        known = body.idempotency_key in self._keys
        if body.idempotency_key and body.idempotency_ttl:
            self._keys.add(body.idempotency_key)
        channel = next(iter(raw["messageFlow"][0]))
        request_id = f"20261122104234546POM{next(self._serial):011d}"
        destinations = []
        for i, destination in enumerate(body.destinations):
            code = "A301" if known else self.codes.get(destination.to, "A000" if _MOBILE.fullmatch(destination.to) else "A306")
            msg_key = f"{request_id}{i:03d}"
            entry = {"to": destination.to, "code": code, "result": "Success" if code == "A000" else "Failed"}
            if code == "A000":
                entry["msgKey"] = msg_key
                ref = destination.ref or body.ref or ""
                self.sent.append(Sent(ref, destination.to, body.idempotency_key or "", channel, msg_key))
                outcome = self.outcomes.get(destination.to, "10000")
                if outcome is not None:
                    self.reports.append(report(msg_key, ref, channel, outcome))
            destinations.append(entry)
        return destinations

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != API_KEY:
            return _answer(401, {"common": _common("A401", "Unauthorized")})
        form = await request.post()
        file, use = form["file"], request.match_info["use"]
        match self.upload_modes.pop(0) if self.upload_modes else "ok":
            case "429":
                return _answer(429, _service("A020", "Ratelimit"), {"Retry-After": "1"})
            case "away":
                return web.Response(status=502, text="Bad Gateway")
            case "refused":
                return _answer(400, _service("A300", "invalid"))
            case "garbage":
                return web.Response(text="<html>")
            case "close":
                return _cut(request)
        if not isinstance(file, web.FileField) or file.content_type not in {"image/jpeg", "image/png"}:
            return _answer(400, _service("A300", "file"))
        self.uploads.append((use, file.file.read()))
        name = f"FILE_KEY_{len(self.uploads):03d}"
        expired = (datetime.now(_KST) + timedelta(days=30)).isoformat(timespec="seconds")
        result = {"fileKey": name} if use == "mms" else {"media": f"maapfile://{name}"}
        return _answer(200, _service("A000", "Success", result | {"expired": expired}))

    async def _poll(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != API_KEY:
            return _answer(401, {"common": _common("A401", "Unauthorized")})
        if self.mode == "away":
            return web.Response(status=502, text="Bad Gateway")
        if not self.reports:
            return _answer(200, _service("A000", "Success", {"reportId": "", "report": None}))
        report_id = f"RPT{next(self._serial)}"
        handed_out = self.reports[:1000]
        self._batches[report_id] = len(handed_out)
        return _answer(200, _service("A000", "Success", {"reportId": report_id, "report": handed_out}))

    async def _acknowledge(self, request: web.Request) -> web.Response:
        count = self._batches.pop(request.match_info["report_id"], None)
        if count is None:
            return _answer(403, _service("A802", "유효하지 않는 Report ID"))
        del self.reports[:count]
        self._batches.clear()
        return _answer(200, _service("A000", "Success"))


def report(msg_key: str, ref: str, channel: str, code: str, at: datetime | None = None) -> dict[str, Any]:
    """A report as Bizgo writes it, for polling and for webhooks."""
    service, kind = _MSG_TYPE[channel]
    stamp = (at or datetime.now(_KST)).isoformat(timespec="seconds")
    return {
        "msgKey": msg_key, "serviceType": service, "msgType": kind, "sendTime": stamp, "reportTime": stamp,
        "reportType": service, "reportCode": code, "reportText": "", "carrier": None, "resCnt": None, "ref": ref,
    }  # fmt: skip


def _common(code: str, result: str) -> dict[str, str]:
    return {"authCode": code, "authResult": result, "infobankTrId": "STUB"}


def _service(code: str, result: str, data: Any = None) -> dict[str, Any]:
    inner = {"code": code, "result": result} | ({} if data is None else {"data": data})
    return {"common": _common("A000", "Success"), "data": inner}


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
