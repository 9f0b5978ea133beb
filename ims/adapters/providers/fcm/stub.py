"""A stub of FCM's documented HTTP interface, for tests: OAuth2 for a service account, and messages:send. Delivers nothing.

Not a double of our adapter: it knows the documents, and nothing of `calls.py`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

_DETAIL = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_PRIORITY = {"HIGH", "NORMAL"}
_RESERVED = ("from", "message_type")


def error(status: int, word: str, code: str = "", field_: str = "", message: str = "said the stub") -> web.Response:
    """An answer as google.rpc.Status has it."""
    details: list[dict[str, Any]] = [{"@type": _DETAIL, "errorCode": code}] if code else []
    if field_:
        details.append({"@type": _BAD_REQUEST, "fieldViolations": [{"field": field_, "description": "Invalid registration token"}]})
    return web.json_response({"error": {"code": status, "message": message, "status": word, "details": details}}, status=status)


_OUTCOMES: dict[str, tuple[Any, ...]] = {
    "UNREGISTERED": (404, "NOT_FOUND", "UNREGISTERED"),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    "bad token": (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"),
    "bad field": (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.android.ttl"),
    "too big": (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "", "Message too big"),
    "PERMISSION_DENIED": (403, "PERMISSION_DENIED"),
    "no project": (404, "NOT_FOUND"),
    "500": (500, "INTERNAL", "INTERNAL"),
    "503": (503, "UNAVAILABLE", "UNAVAILABLE"),
}


@dataclass
class Stub:
    """`modes` are met by the next calls, the oldest first; `outcomes` by tokens."""

    modes: deque[str] = field(default_factory=deque)
    outcomes: dict[str, str] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)  # messages that went out
    granted: list[dict[str, Any]] = field(default_factory=list)  # claims of the signed requests for a token
    token_life_s: int = 3_600
    grants: bool = True
    token_delay_s: float = 0.0
    _ids: itertools.count[int] = field(default_factory=itertools.count)
    _tokens: set[str] = field(default_factory=set)

    def app(self) -> web.Application:
        """POST /token and POST /v1/projects/{id}/messages:send."""
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_post("/v1/projects/{project}/messages:send", self._send)
        return app

    def revoke(self) -> None:
        """No token that was granted is good any more."""
        self._tokens.clear()

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" or not self.grants:
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = msgspec.json.decode(_unpadded(str(form["assertion"]).split(".")[1]), type=dict)
        if claims.get("aud") != "https://oauth2.googleapis.com/token" or not 0 < claims["exp"] - claims["iat"] <= 3_600:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.granted.append({**claims, "assertion": form["assertion"]})
        await asyncio.sleep(self.token_delay_s)
        token = f"ya29.{next(self._ids)}"
        self._tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": self.token_life_s, "token_type": "Bearer"})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        mode = self.modes.popleft() if self.modes else "ok"
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return error(401, "UNAUTHENTICATED")
        body = await request.read()
        message = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["message"]
        if wrong := _wrong(message):
            return error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", wrong)
        if mode == "close_before":
            _cut(request)
        mode = self.outcomes.get(message.get("token", ""), mode)
        if mode in _OUTCOMES:
            return error(*_OUTCOMES[mode])
        match mode:
            case "429":
                answer = error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
                answer.headers["retry-after"] = "7"
                return answer
            case "429 bare":
                return error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
            case "redirect":
                return web.Response(status=307, headers={"location": "/token"})
            case "hang":
                await asyncio.sleep(30)
        self.sent.append({"project": request.match_info["project"], **message})
        match mode:
            case "close_after":
                _cut(request)
            case "garbage":
                return web.Response(body=b"\xff{")
            case "nameless":
                return web.json_response({})
            case "deep":
                return web.Response(body=b"[" * 200_000)
            case "huge":
                return web.Response(body=b" " * 9_000_000)
        return web.json_response({"name": f"projects/p/messages/0:{next(self._ids)}"})


def _wrong(message: dict[str, Any]) -> str:
    """The first field that FCM would not have."""
    if sum(name in message for name in ("token", "topic", "condition")) != 1:
        return "message"
    data = message.get("data", {})
    if any(not isinstance(v, str) or k in _RESERVED or k.startswith(("google", "gcm")) for k, v in data.items()):
        return "message.data"
    android = message.get("android", {})
    if android.get("priority", "HIGH") not in _PRIORITY:
        return "message.android.priority"
    if not re.fullmatch(r"\d{1,7}s", android.get("ttl", "0s")) or int(android.get("ttl", "0s")[:-1]) > 2_419_200:
        return "message.android.ttl"
    if not set(android) <= {"priority", "ttl", "collapse_key", "notification", "data"}:
        return "message.android"
    if not set(message) <= {"token", "topic", "notification", "data", "android", "apns", "webpush"}:
        return "message"
    return "" if set(message.get("notification", {})) <= {"title", "body", "image"} else "message.notification"


def _cut(request: web.Request) -> None:
    assert request.transport is not None  # noqa: S101 - in a stub
    request.transport.abort()
    raise ConnectionResetError


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
