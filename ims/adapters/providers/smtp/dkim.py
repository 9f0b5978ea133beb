"""DKIM (RFC 6376) with RSA, the one kind that every receiver checks: relaxed headers and body, in front of the mail.

With `cryptography`, which IMS has anyway: dkimpy computes RSA in Python. A test has dkimpy verify what is signed here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ims.errors import Misconfigured
from ims.rules.email import domain

_LEAST_RSA_BITS = 1024  # RFC 8301; 2048 is what receivers advise
# RFC 8058 wants the two of List-Unsubscribe signed. A header that is not in the mail is signed as absent: nobody can add one.
_SIGNED = (
    "from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding",
    "list-unsubscribe", "list-unsubscribe-post",
)  # fmt: skip
_NAMES = ":\r\n ".join(":".join(_SIGNED[i : i + 6]) for i in range(0, len(_SIGNED), 6))
_BLANKS = re.compile(rb"[ \t]+")
_TRAILING = re.compile(rb" \r\n")


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    selector: str
    key: str  # PEM


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """One domain's key."""

    domain: str
    selector: str
    key: RSAPrivateKey

    def sign(self, mail: bytes, now_s: int) -> bytes:
        """The mail with its signature before it. The mail's lines end in CRLF."""
        head, _, body = mail.partition(b"\r\n\r\n")
        fields = _unfolded(head)
        body_hash = base64.b64encode(sha256(_relaxed_body(body)).digest()).decode()
        value = (
            f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={self.domain};\r\n s={self.selector}; t={now_s};\r\n"
            f" h={_NAMES};\r\n bh={body_hash};\r\n b="
        )
        unsigned = _relaxed_field(b"DKIM-Signature", value.encode())
        signed = b"".join(_relaxed_field(name, content) + b"\r\n" for n in _SIGNED for name, content in fields.get(n.encode(), ())[-1:])
        data = signed + unsigned
        encoded = base64.b64encode(self.key.sign(data, PKCS1v15(), SHA256())).decode()
        folded = "\r\n ".join(encoded[i : i + 72] for i in range(0, len(encoded), 72))
        return f"DKIM-Signature: {value}{folded}\r\n".encode() + mail


def signers(text: str) -> Mapping[str, Signer]:
    """IMS_SMTP_DKIM: {"domain": {"selector", "key"}}, by domain. Misconfigured says what is wrong, without the key."""
    if not text:
        return {}
    try:
        entries = msgspec.json.decode(text, type=dict[str, _Entry])
    except msgspec.DecodeError:
        raise Misconfigured('IMS_SMTP_DKIM is {"domain": {"selector": "...", "key": "PEM"}}') from None
    found = {}
    for given, entry in entries.items():
        name = domain(given)
        if name is None or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", entry.selector):
            raise Misconfigured("IMS_SMTP_DKIM: a domain or selector is not one")
        try:
            key = load_pem_private_key(entry.key.encode(), None)
        except (ValueError, TypeError):
            raise Misconfigured(f"IMS_SMTP_DKIM: the key of {name} is not a PEM private key without a password") from None
        if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_RSA_BITS:
            raise Misconfigured(f"IMS_SMTP_DKIM: the key of {name} must be RSA of at least {_LEAST_RSA_BITS} bits")
        found[name] = Signer(name, entry.selector, key)
    return found


def _unfolded(head: bytes) -> dict[bytes, list[tuple[bytes, bytes]]]:
    fields: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, _, value = line.partition(b":")
        fields.setdefault(name.strip().lower(), []).append((name, value))
    return fields


def _relaxed_field(name: bytes, value: bytes) -> bytes:
    return name.strip().lower() + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip()


def _relaxed_body(body: bytes) -> bytes:
    relaxed = _TRAILING.sub(b"\r\n", _BLANKS.sub(b" ", body)).rstrip(b" ")
    relaxed = relaxed.rstrip(b"\r\n")
    return relaxed + b"\r\n" if relaxed else b""
