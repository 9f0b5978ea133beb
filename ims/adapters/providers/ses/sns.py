"""Amazon SNS as the carrier of notifications: its signature checked, its subscription confirmed.

A certificate that is not here yet is fetched in the background, and the notification answered "come again" (503): SNS does so
within seconds. Certificates come only from amazonaws.com, over https, a few KB at most; topics are those of the setting.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from ims.errors import Rejected, Unavailable
from ims.telemetry import log

MAX_BYTES = 256 * 1024  # SNS's own limit of a message; SES's events are a few KB
_FETCH_S = 5.0
_CERTIFICATE_BYTES = 16 * 1024
_KEPT = 8  # Amazon renews its certificate once a year or so
_HOST = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?")
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")

Fetch = Callable[[str], Awaitable[bytes]]


class Envelope(msgspec.Struct, rename="pascal"):
    """What SNS posts."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


_ENVELOPE = msgspec.json.Decoder(Envelope)
_WORDS = {"TopicArn": "topic_arn", "MessageId": "message_id", "SubscribeURL": "subscribe_url"}


async def fetched(url: str) -> bytes:
    """A small answer of a URL of Amazon's."""
    timeout = aiohttp.ClientTimeout(total=_FETCH_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session, session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise OSError(f"HTTP {response.status}")
        return await response.content.read(_CERTIFICATE_BYTES)


class Inbox:
    """Checks what SNS posts about some topics."""

    def __init__(self, topics: frozenset[str], fetch: Fetch = fetched) -> None:
        self._topics = topics
        self._fetch = fetch
        self._keys: dict[str, RSAPublicKey] = {}
        self._errands: dict[str, asyncio.Task[None]] = {}  # by URL: one of each at a time

    def read(self, body: bytes) -> str:
        """The message of a notification; empty for what SNS has to say of itself. Rejected, or Unavailable: come again."""
        if len(body) > MAX_BYTES:
            raise Rejected("1413")
        try:
            envelope = _ENVELOPE.decode(body)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise Rejected("1400", detail="not a notification") from exc
        if envelope.topic_arn not in self._topics:
            raise Rejected("1401", "TopicArn")
        self._verify(envelope)
        if envelope.type == "SubscriptionConfirmation":
            self._confirm(envelope.subscribe_url or "")
        return envelope.message if envelope.type == "Notification" else ""

    async def close(self) -> None:
        """End what is on its way."""
        errands = list(self._errands.values())
        for errand in errands:
            errand.cancel()
        await asyncio.gather(*errands, return_exceptions=True)

    def _verify(self, envelope: Envelope) -> None:
        names = _NOTIFICATION if envelope.type == "Notification" else _CONFIRMATION
        values = ((name, getattr(envelope, _WORDS.get(name, name.lower()))) for name in names)
        signed = "".join(f"{name}\n{value}\n" for name, value in values if value is not None).encode()
        key = self._key(envelope.signing_cert_url)
        digest = SHA256() if envelope.signature_version == "2" else SHA1()  # noqa: S303 - version 1 is SNS's default
        try:
            key.verify(base64.b64decode(envelope.signature, validate=True), signed, PKCS1v15(), digest)
        except (InvalidSignature, binascii.Error, ValueError) as exc:
            raise Rejected("1401", "Signature") from exc

    def _key(self, url: str) -> RSAPublicKey:
        if key := self._keys.get(url):
            return key
        if not _amazons(url) or not urlsplit(url).path.endswith(".pem"):
            raise Rejected("1401", "SigningCertURL")
        self._errand(url, self._learn(url))
        raise Unavailable("the certificate of SNS is being fetched")

    async def _learn(self, url: str) -> None:
        try:
            certificate = load_pem_x509_certificate(await self._fetch(url))
            key = certificate.public_key()
            if not isinstance(key, RSAPublicKey) or certificate.not_valid_after_utc < datetime.now(UTC):
                raise ValueError("not a certificate that may sign now")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            log.error("sns_certificate", error=type(exc).__name__)
            return
        while len(self._keys) >= _KEPT:
            self._keys.pop(next(iter(self._keys)))
        self._keys[url] = key

    def _confirm(self, url: str) -> None:
        """Say that the subscription is wanted: its topic is one of ours, and Amazon signed it."""
        if _amazons(url):
            self._errand(url, self._visit(url))

    async def _visit(self, url: str) -> None:
        try:
            await self._fetch(url)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            log.error("sns_confirmation", error=type(exc).__name__)
        else:
            log.info("sns_confirmed")

    def _errand(self, url: str, work: Awaitable[None]) -> None:
        if url in self._errands or len(self._errands) >= _KEPT:
            work.close()  # type: ignore[attr-defined]  # a coroutine that is not wanted after all
            return
        task = asyncio.ensure_future(work)
        self._errands[url] = task
        task.add_done_callback(lambda _: self._errands.pop(url, None))


def _amazons(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.port is None and "@" not in parts.netloc and bool(_HOST.fullmatch(parts.hostname or ""))
    except ValueError:
        return False
