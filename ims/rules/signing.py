"""Signatures on results, by the Standard Webhooks convention (https://www.standardwebhooks.com, read 2026).

HMAC-SHA256 over `id.timestamp.body`, so a receiver can refuse a forged, a changed and an old call. During rotation every
live secret signs, the newest first, and the receiver may hold either. Error texts never contain a secret.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets as chance
from collections.abc import Sequence
from hashlib import sha256

_PREFIX = "whsec_"
_SECRET_BYTES = 32  # the convention asks for 24 to 64
_LEAST_BYTES, _MOST_BYTES = 24, 64


def new_secret() -> str:
    """A fresh secret in the form that receivers' libraries take."""
    return _PREFIX + base64.b64encode(chance.token_bytes(_SECRET_BYTES)).decode()


def sign(secrets: Sequence[str], webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one call. ValueError: no secret, or one that is not `whsec_<base64>`."""
    if not secrets:
        raise ValueError("nothing to sign with: the customer has no callback secret")
    signed = b"%s.%d.%s" % (webhook_id.encode(), timestamp_s, body)
    marks = (base64.b64encode(hmac.digest(key_bytes(secret), signed, sha256)).decode() for secret in secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def key_bytes(secret: str) -> bytes:
    """The key inside a `whsec_` secret; ValueError when it is not one."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except binascii.Error:
        key = b""
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError("a callback secret is whsec_ and the base64 of 24 to 64 bytes")
    return key
