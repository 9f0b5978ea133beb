"""A stub of SES's documented interface, for tests: checks the signature with botocore, keeps what it took, and signs notifications
as SNS does, with a certificate of its own."""

from __future__ import annotations

import asyncio
import base64
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

KEY_ID, SECRET = "AKIDSTUB", "stub-secret-not-real"
TOPIC = "arn:aws:sns:us-east-1:123456789012:mail"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-stub.pem"
_PATH = "/v2/email/outbound-emails"
_HANG_S = 60
_ERRORS = {
    "429": (429, "TooManyRequestsException"), "quota": (400, "LimitExceededException"), "rejected": (400, "MessageRejected"),
    "domain": (400, "MailFromDomainNotVerifiedException"), "paused": (400, "SendingPausedException"), "bad": (400, "BadRequestException"),
    "expired": (403, "ExpiredTokenException"), "500": (500, "InternalFailure"),
}  # fmt: skip


@dataclass(slots=True)
class Taken:
    """One mail that was taken."""

    to: list[str]
    bcc: list[str]
    tags: dict[str, str]
    configuration_set: str
    content: bytes


@dataclass(slots=True)
class Stub:
    """State and script of one account."""

    modes: list[str] = field(default_factory=list)  # for the next mails
    taken: list[Taken] = field(default_factory=list)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post(_PATH, self._send)
        return app

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.headers.get("Authorization") != _signature(request, body):
            return _error(403, "SignatureDoesNotMatch")
        mode = self.modes.pop(0) if self.modes else "ok"
        if mode == "close_before":
            return _cut(request)
        if mode in _ERRORS:
            return _error(*_ERRORS[mode])
        if mode == "redirect":
            return web.Response(status=307, headers={"location": "http://127.0.0.1:1/"})
        raw = msgspec.json.decode(body)
        self.taken.append(
            Taken(
                raw["Destination"]["ToAddresses"],
                raw["Destination"].get("BccAddresses", []),
                {tag["Name"]: tag["Value"] for tag in raw["EmailTags"]},
                raw.get("ConfigurationSetName", ""),
                base64.b64decode(raw["Content"]["Raw"]["Data"]),
            )
        )
        match mode:
            case "close_after":
                return _cut(request)
            case "garbage":
                return web.Response(text="<html>")
            case "endless":
                return web.Response(body=b"[" * (9 * 1024 * 1024))
            case "hang":
                await asyncio.sleep(_HANG_S)
        return web.json_response({"MessageId": f"0100{next(self._serial):012d}"})


class Sns:
    """Signs as Amazon SNS does."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        self.certificate = builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def posted(self, message: str, *, version: str = "1", kind: str = "Notification", **changed: str) -> bytes:
        """A request of SNS. `changed` is put in after it was signed."""
        fields = {
            "Type": kind, "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC, "Message": message,
            "Timestamp": "2027-03-02T03:00:00.000Z",
        }  # fmt: skip
        if kind != "Notification":
            fields |= {"Token": "t", "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"}
        signed = "".join(f"{name}\n{fields[name]}\n" for name in sorted(fields)).encode()
        digest = SHA256() if version == "2" else SHA1()  # noqa: S303 - as SNS does by default
        signature = base64.b64encode(self._key.sign(signed, PKCS1v15(), digest)).decode()
        more = {"SignatureVersion": version, "Signature": signature, "SigningCertURL": CERTIFICATE_URL, "UnsubscribeURL": "https://x"}
        return msgspec.json.encode(fields | more | changed)


def event(kind: str, ref: str, to: str = "hong@example.com", *, tags: bool = True, **details: Any) -> str:
    """A notification of SES, as event publishing writes it (with tags) or as feedback notifications do."""
    mail: dict[str, Any] = {
        "timestamp": "2027-03-02T03:00:00.000Z", "messageId": "0100",
        "source": "a@mail.acme.example", "destination": [to, "copy@example.com"],
        "headers": [{"name": "To", "value": to}, {"name": "X-IMS-Ref", "value": ref}], "commonHeaders": {"to": [to]},
    }  # fmt: skip
    if tags:
        mail["tags"] = {"ims_ref": [ref], "ses:configuration-set": ["ims"]}
    name = "eventType" if tags else "notificationType"
    content = {"timestamp": "2027-03-02T03:00:05.000Z", **details}
    return msgspec.json.encode({name: kind, "mail": mail, kind.lower(): content, "unheard": {"of": 1}}).decode()


def _signature(request: web.Request, body: bytes) -> str:
    """What botocore's own signer says of the request, at the time that it names."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    again = AWSRequest("POST", str(request.url), data=body, headers={"content-type": request.headers["content-type"]})
    again.context["timestamp"] = request.headers["X-Amz-Date"]
    signer = SigV4Auth(Credentials(KEY_ID, SECRET), "ses", "us-east-1")
    again.headers["X-Amz-Date"] = request.headers["X-Amz-Date"]
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(again)}, SignedHeaders={signer.signed_headers(signer.headers_to_sign(again))}, " + (
        f"Signature={signer.signature(text, again)}"
    )


def _error(status: int, kind: str) -> web.Response:
    headers = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/coral/com.amazonaws.sesv2/"}
    return web.json_response({"message": "refused: hong@example.com"}, status=status, headers=headers)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
