"""Access to FCM: an OAuth2 token for each service account, fetched once for all who wait, renewed before it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec

from ims.adapters.providers.jwt import rs256
from ims.adapters.providers.transport import Transport
from ims.errors import CallRefused, NotSent, ProviderError
from ims.ports.clock import Clock
from ims.ports.push import FcmKey
from ims.results import CREDENTIAL, NOT_CONNECTED

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
AUDIENCE = "https://oauth2.googleapis.com/token"  # as the signed request names it, wherever it is sent to
EARLY_MS = 5 * 60_000  # renewed so long before its end
LIFE_S = 3_600  # the longest that Google grants
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_MOST = 1_000  # service accounts whose tokens are kept


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends_at: int

    def __repr__(self) -> str:
        return "<_Token>"


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int = LIFE_S


_GRANTED = msgspec.json.Decoder(_Granted)


class Access:
    """Tokens by service account. The signing key is looked at only when a token is due."""

    def __init__(self, http: Transport, path: str, clock: Clock) -> None:
        self._http = http
        self._path = path
        self._clock = clock
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._coming: dict[tuple[str, str], asyncio.Task[_Token]] = {}

    async def token(self, key: FcmKey) -> str:
        """A token that lives for some minutes more. NotSent when none can be had now, CallRefused when the key is of no use."""
        name = (key.client_email, key.private_key_id)
        kept = self._tokens.get(name)
        if kept is not None and self._clock() < kept.ends_at - EARLY_MS:
            return kept.text
        task = self._coming.get(name)
        if task is None:
            task = self._coming[name] = asyncio.create_task(self._fetch(key))
            task.add_done_callback(lambda _: self._coming.pop(name, None))
        try:
            fresh = await asyncio.shield(task)  # one who gives up must not take it from the others
        except NotSent:
            if kept is not None and self._clock() < kept.ends_at:
                return kept.text  # Google's token server is away; ours is not over yet
            raise
        if len(self._tokens) >= _MOST:
            self._tokens.clear()
        self._tokens[name] = fresh
        return fresh.text

    def refused(self, key: FcmKey, text: str) -> None:
        """FCM would not have this token: the next one who asks fetches another."""
        name = (key.client_email, key.private_key_id)
        kept = self._tokens.get(name)
        if kept is not None and kept.text == text:
            del self._tokens[name]

    async def _fetch(self, key: FcmKey) -> _Token:
        now_s = self._clock() // 1_000
        claims = {"iss": key.client_email, "scope": SCOPE, "aud": AUDIENCE, "iat": now_s, "exp": now_s + LIFE_S}
        body = urlencode({"grant_type": _GRANT, "assertion": rs256(key.private_key, claims, key.private_key_id)}).encode()
        try:
            reply = await self._http.request("POST", self._path, body, {"content-type": "application/x-www-form-urlencoded"})
        except ProviderError as exc:  # whatever became of this request: no message was in it
            raise NotSent(NOT_CONNECTED, "token") from exc
        if reply.status in {400, 401, 403}:  # invalid_grant: the account is gone, its key was revoked, or our clock is wrong
            raise CallRefused(CREDENTIAL, f"token {reply.status}")
        if reply.status != 200:
            raise NotSent(NOT_CONNECTED, f"token {reply.status}", reply.retry_after_s)
        try:
            granted = _GRANTED.decode(reply.body)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise NotSent(NOT_CONNECTED, "token") from exc
        if not granted.access_token.isprintable() or not granted.access_token.isascii() or not 0 < granted.expires_in <= 86_400:
            raise NotSent(NOT_CONNECTED, "token")
        return _Token(granted.access_token, self._clock() + granted.expires_in * 1_000)
