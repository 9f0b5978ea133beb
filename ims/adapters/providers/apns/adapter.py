"""APNs as a push service: one push a request over HTTP/2, under a token that the team's key has signed."""

from __future__ import annotations

from urllib.parse import urlsplit

from ims.adapters.providers.apns import calls, codes
from ims.adapters.providers.apns.connection import Connection
from ims.adapters.providers.jwt import es256
from ims.adapters.providers.push_service import Errand, Verdict
from ims.errors import Misconfigured
from ims.ports.clock import Clock
from ims.ports.push import ApnsKey

RENEW_MS = 40 * 60_000  # Apple refuses one older than 60 minutes, and whoever renews within 20 (TooManyProviderTokenUpdates)
_MOST = 1_000  # teams whose tokens are kept
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Apns:
    """ims.adapters.providers.push_service.Service. Nothing connects before the first push."""

    def __init__(self, base_url: str, clock: Clock, *, timeout_s: float) -> None:
        """`base_url` empty: Apple's own hosts, by the environment of each app."""
        if base_url and urlsplit(base_url).scheme != "https" and urlsplit(base_url).hostname not in _LOOPBACK:
            raise Misconfigured("IMS_APNS_URL must be https: a token travels in it")
        self._clock = clock
        self._hosts = {name: Connection(base_url or host, timeout_s) for name, host in calls.HOSTS.items()}
        self._tokens: dict[tuple[str, str], tuple[str, int]] = {}
        self._proven: set[tuple[str, str]] = set()  # (topic, environment) that took a push

    def __repr__(self) -> str:
        return "<Apns>"

    async def deliver(self, key: ApnsKey, errand: Errand) -> Verdict:
        """As the protocol says. An expired provider token is signed anew once: nothing was taken under it."""
        if not calls.is_device(errand.address):
            return Verdict(codes.BAD_TOKEN, "form")  # it cannot stand in a path, so it is not asked about either
        body = calls.body(errand)
        for last in (False, True):
            token = self._token(key)
            called_at = self._clock()
            headers = calls.headers(key, errand, called_at // 1_000)
            reply = await self._hosts[key.environment].request(
                calls.path(errand.address), body, {**headers, "authorization": f"bearer {token}"}
            )
            verdict = codes.verdict(reply, headers["apns-id"], called_at)
            if verdict.provider_code != codes.EXPIRED_PROVIDER_TOKEN or last:
                return self._believed(key, verdict)
            self._tokens.pop((key.team_id, key.key_id), None)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """As the protocol says."""
        for host in self._hosts.values():
            await host.close()

    def _believed(self, key: ApnsKey, verdict: Verdict) -> Verdict:
        """BadDeviceToken is also what every token of the other environment is called: it kills a token only where this
        environment has taken a push of the app before, so that a wrong setting does not retire them all."""
        app = (key.topic, key.environment)
        if not verdict.code:
            if len(self._proven) >= _MOST:
                self._proven.clear()
            self._proven.add(app)
        elif verdict.code == codes.BAD_TOKEN and app not in self._proven:
            return verdict._replace(dead_before=0)
        return verdict

    def _token(self, key: ApnsKey) -> str:
        """The team's token. Signing takes no pause, so there is never more than one renewal at a time."""
        name, now = (key.team_id, key.key_id), self._clock()
        kept = self._tokens.get(name)
        if kept is None or not 0 <= now - kept[1] < RENEW_MS:
            if len(self._tokens) >= _MOST:
                self._tokens.clear()
            kept = self._tokens[name] = (es256(key.private_key, {"iss": key.team_id, "iat": now // 1_000}, key.key_id), now)
        return kept[0]
