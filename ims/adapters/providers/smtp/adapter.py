"""SMTP as a provider: mail handed to a relay, one recipient a mail, under an envelope sender that carries our ref (VERP).

The relay has no keys and cannot be asked: a mail whose answer was lost is unknown for good (invariant 6). With reports "dsn" it is
asked to report (RFC 3461), and bounces that it sends to the envelope sender are posted to /receipt/smtp as they are; with
"none", or where the relay does not offer it, a mail that was taken is delivered as far as anyone will ever tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping

from ims.adapters.providers.mime import Mail, mail_of
from ims.adapters.providers.smtp import bounces
from ims.adapters.providers.smtp.calls import Lines, Posted, Progress, Server, post
from ims.adapters.providers.smtp.dkim import signers
from ims.errors import CallRefused, Misconfigured, NotSent, ProviderError, Unclear
from ims.ports.providers import Abilities, Answer, OutgoingCall, Polled
from ims.protocol.events import DeliveryReport
from ims.results import INTERNAL, NO_ANSWER, NOT_CONNECTED
from ims.rules.email import address, domain_of
from ims.telemetry import log

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Smtp:
    """One relay. Nothing connects before the first mail."""

    name = "smtp"

    def __init__(
        self,
        host: str,
        port: int,
        account: str,
        *,
        envelope_from: str,
        tls: str = "starttls",
        username: str = "",
        password: str = "",
        ca_file: str = "",
        dkim: str = "",
        reports: str = "none",
        bounce_secret: str = "",
        connections: int = 8,
        rate_per_s: float = 0,
        timeout_s: float = 10.0,
    ) -> None:
        if not host:
            raise Misconfigured("IMS_SMTP_HOST is empty")
        if address(envelope_from) != envelope_from:
            raise Misconfigured("IMS_SMTP_ENVELOPE_FROM is an address in small letters, to which bounces come: bounces@mail.example.com")
        if tls == "none" and username and host not in _LOOPBACK:
            raise Misconfigured("IMS_SMTP_TLS: a password is not sent in the clear")
        if reports == "dsn" and not bounce_secret.strip():
            raise Misconfigured("IMS_SMTP_BOUNCE_SECRET is needed for reports by bounce")
        self.account = account
        self.abilities = Abilities(max_members=1, keys="none", key_ttl_s=0, timeout_s=timeout_s, can_ask=False, rate_per_s=rate_per_s)
        greeting = domain_of(envelope_from)
        self._lines = Lines(Server(host, port, tls, username, password, ca_file, greeting, connections, timeout_s))
        self._sender = envelope_from
        self._dkim = signers(dkim)
        self._reports = reports == "dsn"
        self._secret = bounce_secret

    def __repr__(self) -> str:
        return f"<Smtp {self.account}>"

    async def send(self, call: OutgoingCall) -> list[Answer]:
        """As the port says, for the one member of the call. Copies (cc, bcc) follow when the recipient's own mail was taken."""
        if len(call.members) != 1:
            raise CallRefused(INTERNAL, "members")
        member = call.members[0]
        mail = mail_of(call, member, int(time.time() * 1000))
        content = self._signed(mail)
        verp = bounces.envelope(self._sender, member.ref)
        posted: Posted | None = None
        progress = Progress()
        try:
            async with asyncio.timeout(self.abilities.timeout_s):
                posted = await post(self._lines, verp, mail.to, content, member.ref, progress, reports=self._reports)
                await self._copy(mail, content)
        except TimeoutError:
            if posted is None:  # else only copies were cut off
                raise (Unclear(NO_ANSWER) if progress.begun else NotSent(NOT_CONNECTED)) from None
        return [Answer("accepted" if posted.reports else "delivered", "", posted.said, "")]

    async def ask(self, call: OutgoingCall) -> list[Answer]:
        """Nobody can say: a relay keeps no list of what it took."""
        return [Answer("unknown", NO_ANSWER)] * len(call.members)

    async def poll(self) -> Polled | None:
        """Nothing is ever polled."""
        return None

    async def acknowledge(self, batch_id: str) -> None:
        """Nothing is ever polled."""

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        """A bounce, whole, as the relay wrote it, posted by whoever reads the mailbox of the envelope sender."""
        bounces.verify(self._secret, headers)
        return bounces.reports(body, self._sender, now_ms)

    def webhook_answer(self, body: bytes) -> bytes:
        """As the port says."""
        return b"{}"

    async def close(self) -> None:
        """As the port says."""
        await self._lines.close()

    def _signed(self, mail: Mail) -> bytes:
        signer = self._dkim.get(domain_of(mail.sender))
        return signer.sign(mail.content, int(time.time())) if signer else mail.content

    async def _copy(self, mail: Mail, content: bytes) -> None:
        """Copies are a courtesy: one that fails changes nothing about the message, and its bounce carries no ref."""
        for to in mail.copies:
            with contextlib.suppress(ProviderError):
                await post(self._lines, self._sender, to, content, "copy", Progress(), reports=False)
                continue
            log.warning("mail_copy_failed", provider=self.name)
