"""How the simulator signs the reports that it posts: HMAC-SHA256 over "<epoch ms>.<body>", in hex."""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP = "x-simulator-timestamp"
SIGNATURE = "x-simulator-signature"
TOLERANCE_MS = 300_000  # as Bizgo's: a copied request is worthless five minutes later
DEVELOPMENT_SECRET = "simulator"  # noqa: S105 - no secret: what `--secret-file` replaces


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of the signature header."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
