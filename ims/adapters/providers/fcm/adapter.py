"""FCM as a push service: one message a request, under the access token of the app's service account."""

from __future__ import annotations

from urllib.parse import urlsplit

from ims.adapters.providers.fcm import calls, codes
from ims.adapters.providers.fcm.access import Access
from ims.adapters.providers.push_service import Errand, Verdict
from ims.adapters.providers.transport import Transport
from ims.errors import Misconfigured
from ims.ports.clock import Clock
from ims.ports.push import FcmKey

CONNECTIONS = 100  # HTTP/1.1: one request at a time on each
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Fcm:
    """ims.adapters.providers.push_service.Service. Nothing connects before the first message."""

    def __init__(self, base_url: str, token_url: str, clock: Clock, *, timeout_s: float) -> None:
        for name, url in (("IMS_FCM_URL", base_url), ("IMS_FCM_TOKEN_URL", token_url)):
            if urlsplit(url).scheme != "https" and urlsplit(url).hostname not in _LOOPBACK:
                raise Misconfigured(f"{name} must be https: a token travels in it")
        self._clock = clock
        self._http = Transport(base_url, {"content-type": "application/json"}, timeout_s, CONNECTIONS)
        parts = urlsplit(token_url)
        self._token_http = Transport(f"{parts.scheme}://{parts.netloc}", {}, timeout_s / 2)
        self._access = Access(self._token_http, parts.path or "/", clock)

    def __repr__(self) -> str:
        return "<Fcm>"

    async def deliver(self, key: FcmKey, errand: Errand) -> Verdict:
        """As the protocol says. A refused access token is fetched anew once: nothing was taken under it."""
        body = calls.body(errand, self._clock() // 1_000)
        for last in (False, True):
            token = await self._access.token(key)
            called_at = self._clock()
            reply = await self._http.request("POST", calls.path(key.project_id), body, {"authorization": f"Bearer {token}"})
            verdict = codes.verdict(reply, called_at)
            if verdict.provider_code != codes.UNAUTHENTICATED or last:
                return verdict
            self._access.refused(key, token)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """As the protocol says."""
        await self._http.close()
        await self._token_http.close()
