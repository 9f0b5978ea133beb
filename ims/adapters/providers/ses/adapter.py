"""Amazon SES as a provider: one mail a call, our ref in its tags, notifications by SNS.

SES has no idempotency keys and keeps no list that could be asked: a mail whose answer was lost is unknown until a notification
tells of it. Without a topic nothing is ever told, and a mail that was taken counts as delivered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from ims.adapters.providers.mime import mail_of
from ims.adapters.providers.ses import calls
from ims.adapters.providers.ses.reports import reports
from ims.adapters.providers.ses.sns import Fetch, Inbox, fetched
from ims.adapters.providers.transport import Transport
from ims.errors import CallRefused, Misconfigured
from ims.ports.providers import Abilities, Answer, OutgoingCall, Polled
from ims.protocol.events import DeliveryReport
from ims.results import INTERNAL, NO_ANSWER

LOCALSTACK = "localstack"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Ses:
    """One SES account in one region. Nothing connects before the first mail; botocore is imported by it."""

    name = "ses"

    def __init__(
        self,
        region: str,
        account: str,
        *,
        endpoint: str = "",
        access_key_id: str = "",
        secret_access_key: str = "",
        configuration_set: str = "",
        topics: str = "",
        rate_per_s: float = 0,
        timeout_s: float = 10.0,
        fetch: Fetch = fetched,
    ) -> None:
        if not region:
            raise Misconfigured("IMS_SES_REGION is empty")
        if endpoint == LOCALSTACK:
            from localstack_client.config import get_service_endpoint

            endpoint = get_service_endpoint("sesv2") or ""
        url = endpoint.rstrip("/") or f"https://email.{region}.amazonaws.com"
        parts = urlsplit(url)
        local = parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not local:
            raise Misconfigured("IMS_SES_ENDPOINT must be https")
        if local and not (access_key_id and secret_access_key):
            access_key_id = secret_access_key = "test"  # noqa: S105 - keys of the real cloud are never shown to a local server
        self.account = account
        self.abilities = Abilities(max_members=1, keys="none", key_ttl_s=0, timeout_s=timeout_s, can_ask=False, rate_per_s=rate_per_s)
        self._configuration_set = configuration_set
        self._topics = frozenset(t.strip() for t in topics.split(",") if t.strip())
        self._signer = calls.Signer(url, region, access_key_id, secret_access_key)
        self._inbox = Inbox(self._topics, fetch)
        self._http = Transport(url, {}, timeout_s)

    def __repr__(self) -> str:
        return f"<Ses {self.account}>"

    async def send(self, call: OutgoingCall) -> list[Answer]:
        """As the port says, for the one member of the call."""
        if len(call.members) != 1:
            raise CallRefused(INTERNAL, "members")
        member = call.members[0]
        content = calls.body(mail_of(call, member, int(time.time() * 1000)), member.ref, self._configuration_set)
        reply = await self._http.request("POST", calls.PATH, content, await self._signer.headers(content))
        if calls.expired(reply):
            self._signer.forget()
        return [Answer("accepted" if self._topics else "delivered", "", "", calls.message_id(reply))]

    async def ask(self, call: OutgoingCall) -> list[Answer]:
        """Nobody can say: SES asks for the id that came with the answer that was lost."""
        return [Answer("unknown", NO_ANSWER)] * len(call.members)

    async def poll(self) -> Polled | None:
        """Nothing is ever polled."""
        return None

    async def acknowledge(self, batch_id: str) -> None:
        """Nothing is ever polled."""

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        """A notification by SNS. Unavailable while the certificate that signed it is being fetched."""
        message = self._inbox.read(body)
        return reports(message, now_ms) if message else []

    def webhook_answer(self, body: bytes) -> bytes:
        """SNS reads the status only."""
        return b"{}"

    async def close(self) -> None:
        """As the port says."""
        await self._inbox.close()
        await self._http.close()
