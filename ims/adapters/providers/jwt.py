"""Signed tokens (JWT) for services that are called with one, by the library that seals our records.

RS256 for Google, ES256 for Apple: one function each is all that is needed of PyJWT (90 ms to import) or google-auth (120).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ims.errors import CallRefused
from ims.results import CREDENTIAL


def rs256(private_key: str, claims: Mapping[str, Any], key_id: str = "") -> str:
    """Signed with RSA. CallRefused when the key is none."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256

    key = _loaded(private_key)
    if not isinstance(key, RSAPrivateKey):
        raise CallRefused(CREDENTIAL, "key")
    signing = _signing_input({"alg": "RS256", "typ": "JWT", **({"kid": key_id} if key_id else {})}, claims)
    return f"{signing}.{_base64(key.sign(signing.encode(), PKCS1v15(), SHA256()))}"


def es256(private_key: str, claims: Mapping[str, Any], key_id: str) -> str:
    """Signed on the curve P-256. CallRefused when the key is none."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    key = _loaded(private_key)
    if not isinstance(key, EllipticCurvePrivateKey) or key.key_size != 256:
        raise CallRefused(CREDENTIAL, "key")
    signing = _signing_input({"alg": "ES256", "kid": key_id}, claims)
    r, s = decode_dss_signature(key.sign(signing.encode(), ECDSA(SHA256())))
    return f"{signing}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _loaded(private_key: str) -> object:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError) as exc:
        raise CallRefused(CREDENTIAL, "key") from exc


def _signing_input(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    return f"{_base64(json.dumps(header).encode())}.{_base64(json.dumps(claims).encode())}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
