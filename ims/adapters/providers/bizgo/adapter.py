"""Bizgo as a provider: one account (API key), texts with and without pictures, AlimTalk, brand messages, RCS.

`ask` cannot work: status is asked by msgKey or requestId, and both come with the answer that was lost; the history
by time and group key would show what arrived, never prove that something did not. A lost answer is resolved by
repeating the call under its key, which Bizgo answers member by member with A301.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote, urlsplit

import msgspec

from ims.adapters.providers.bizgo import calls, codes
from ims.adapters.providers.bizgo.files import Pictures
from ims.adapters.providers.bizgo.reports import POLL_PATH, Reader, answer, verify
from ims.adapters.providers.transport import Reply, Transport
from ims.errors import CallRefused, Misconfigured, NotSent, Unclear
from ims.ports.attachments import Attachments
from ims.ports.clock import Clock, system_clock
from ims.ports.providers import Abilities, Answer, OutgoingCall, Polled
from ims.protocol.events import DeliveryReport
from ims.results import CREDENTIAL, INTERNAL, NO_ANSWER, NOT_CONNECTED, THROTTLED, UNREADABLE, family_of

_WALL_CLOCK = system_clock()
KEY_TTL_S = 86_400  # the longest that Bizgo takes
_NO_USERS = "1015"  # lets a fallback start
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class _Destination(msgspec.Struct, rename="camel"):
    code: str | None = None
    msg_key: str | None = None


class _Destinations(msgspec.Struct):
    destinations: list[_Destination] | None = None


class _Data(msgspec.Struct):
    code: str | None = None
    data: _Destinations | None = None


class _Common(msgspec.Struct, rename="camel"):
    auth_code: str | None = None


class _Envelope(msgspec.Struct):
    common: _Common | None = None
    data: _Data | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def _ignore(_: str) -> None:
    return None


class Bizgo:
    """One Bizgo account. Nothing connects before the first call; the SDK is imported by the first webhook or `prepare`."""

    name = "bizgo"

    def __init__(
        self,
        base_url: str,
        api_key: str,
        account: str,
        *,
        reports: str = "polling",
        webhook_secret: str = "",
        rate_per_s: float = 200,
        timeout_s: float = 10.0,
        on_unlisted: Callable[[str], None] = _ignore,
        more_codes: Mapping[str, Mapping[str, str]] | None = None,
        attachments: Attachments | None = None,
        clock: Clock = _WALL_CLOCK,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise Misconfigured("IMS_BIZGO_BASE_URL must be https: the key travels in a header")
        if not api_key or any(c.isspace() for c in api_key):
            raise Misconfigured("IMS_BIZGO_API_KEY is empty or holds white space")
        if reports not in {"polling", "webhook"}:
            raise Misconfigured("IMS_BIZGO_REPORTS is polling or webhook")
        if reports == "webhook" and not webhook_secret.strip():
            raise Misconfigured("IMS_BIZGO_WEBHOOK_SECRET is needed for reports by webhook")
        self.account = account
        self.abilities = Abilities(
            max_members=calls.MAX_DESTINATIONS,
            keys="call",
            key_ttl_s=KEY_TTL_S,
            timeout_s=timeout_s,
            can_ask=False,
            rate_per_s=rate_per_s,
            one_text=True,
        )
        self._polls = reports == "polling"
        self._secret = webhook_secret
        self._on_unlisted = on_unlisted
        self._reader = Reader(on_unlisted, more_codes or {})
        self._http = Transport(base_url, {"authorization": api_key, "content-type": "application/json"}, timeout_s)
        self._pictures = Pictures(self._http, attachments, account, clock)

    def __repr__(self) -> str:
        return f"<Bizgo {self.account}>"

    def prepare(self) -> None:
        """Import what `webhook` needs (1.7 s), for who would rather wait at start than at the first report."""
        import bizgo.webhooks  # noqa: F401

    async def send(self, call: OutgoingCall) -> list[Answer]:
        """As the port says. Users of an app cannot be named to Bizgo: its destinations are numbers (SDK 1.2.0)."""
        numbers = [member for member in call.members if not member.to_kind]
        if len(numbers) == len(call.members):
            pictures = await self._pictures.names(*calls.files(call)) if call.fields else ()
            reply = await self._http.request("POST", calls.PATH, calls.body(call, pictures))
            return self._answers(reply, call)
        answered = iter(await self.send(replace(call, members=numbers)) if numbers else ())
        return [Answer("failed", _NO_USERS) if member.to_kind else next(answered) for member in call.members]

    async def ask(self, call: OutgoingCall) -> list[Answer]:
        """Nobody can say (see the top of this file)."""
        return [Answer("unknown", NO_ANSWER)] * len(call.members)

    async def poll(self) -> Polled | None:
        """As the port says; None as well where reports come by webhook."""
        if not self._polls:
            return None
        reply = await self._question("GET", POLL_PATH)
        batch_id, reports = self._reader.polled(reply.body)
        return Polled(batch_id, reports) if batch_id else None

    async def acknowledge(self, batch_id: str) -> None:
        """As the port says. A802, an id that Bizgo no longer knows, is no error: the reports come again."""
        await self._question("DELETE", f"{POLL_PATH}/{quote(batch_id, safe='')}", fine=(b'"A802"',))

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        """As the port says."""
        verify(self._secret, headers, now_ms)
        return self._reader.posted(body)

    def webhook_answer(self, body: bytes) -> bytes:
        """`{"msgKey": ...}`: without it Bizgo posts the report three times more."""
        return answer(body)

    async def close(self) -> None:
        """As the port says."""
        await self._http.close()

    def _answers(self, reply: Reply, call: OutgoingCall) -> list[Answer]:
        family = family_of(call.send_type.report_type)
        try:
            envelope = _ENVELOPE.decode(reply.body)
        except (msgspec.DecodeError, RecursionError) as exc:
            self._raise_for_status(reply, "")
            raise Unclear(UNREADABLE, str(reply.status)) from exc
        gateway = envelope.common.auth_code if envelope.common else None
        if gateway not in (None, codes.ACCEPTED):
            self._raise_for(reply, gateway, codes.GATEWAY.get(gateway))
        service = envelope.data.code if envelope.data else None
        if service == codes.DUPLICATE:  # the whole request, in one word: every member is there already
            return [Answer("accepted", "", codes.DUPLICATE)] * len(call.members)
        if service not in (None, codes.ACCEPTED):
            self._raise_for(reply, service, codes.of_request(family, service))
        self._raise_for_status(reply, "")
        inner = envelope.data.data if envelope.data else None
        destinations = (inner.destinations if inner else None) or []
        if len(destinations) != len(call.members):
            raise Unclear(UNREADABLE)
        return [self._answer(destination, family) for destination in destinations]

    def _answer(self, destination: _Destination, family: str) -> Answer:
        given = destination.code or ""
        if given in {codes.ACCEPTED, codes.DUPLICATE}:
            return Answer("accepted", "", given, destination.msg_key or "")
        if given in codes.UNCLEAR:
            return Answer("unknown", NO_ANSWER, given)
        code = codes.of_request(family, given)
        if code is None:
            self._on_unlisted(given)
            return Answer("unknown", UNREADABLE, given)
        return Answer("failed", code, given)

    def _raise_for(self, reply: Reply, given: str, code: str | None) -> None:
        """What a code for the whole call means. Listed ones are definite, except where the server failed."""
        if given in codes.UNCLEAR or reply.status >= 500:
            raise Unclear(NO_ANSWER, given)
        if code == THROTTLED or reply.status == 429:
            raise NotSent(THROTTLED, given, reply.retry_after_s)
        if code == NOT_CONNECTED:
            raise NotSent(code, given)
        if code is not None:
            raise CallRefused(code, given)
        self._on_unlisted(given)
        self._raise_for_status(reply, given)
        raise Unclear(UNREADABLE, given)

    def _raise_for_status(self, reply: Reply, given: str) -> None:
        status = reply.status
        if status < 300:
            return
        given = given or str(status)
        if status == 429:
            raise NotSent(THROTTLED, given, reply.retry_after_s)
        if status in {401, 403}:
            raise CallRefused(CREDENTIAL, given)
        if status == 404:  # a wrong address reached nobody, and somebody will put it right: not the messages' fault
            raise NotSent(NOT_CONNECTED, given)
        if 400 <= status < 500 and status != 408:
            raise CallRefused(INTERNAL, given)
        raise Unclear(NO_ANSWER, given)

    async def _question(self, method: str, path: str, fine: tuple[bytes, ...] = ()) -> Reply:
        """A request that sends nothing: whatever goes wrong with it is Unclear."""
        try:
            reply = await self._http.request(method, path)
        except NotSent as exc:
            raise Unclear(exc.code) from exc
        if reply.status >= 300 and not any(word in reply.body for word in fine):
            raise Unclear(NO_ANSWER, str(reply.status))
        return reply
