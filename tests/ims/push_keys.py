"""Signing keys for tests, made when they are asked for: none lies in a file."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def _pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def rsa_key() -> str:
    return _pem(rsa.generate_private_key(65537, 2048))


@cache
def p256_key() -> str:
    return _pem(ec.generate_private_key(ec.SECP256R1()))


@cache
def p384_key() -> str:
    return _pem(ec.generate_private_key(ec.SECP384R1()))


def push_app(app_id: str = "shop-app", **more: Any) -> dict[str, Any]:
    """An app as the registration file names it."""
    return {
        "app_id": app_id,
        "fcm": {
            "type": "service_account",
            "project_id": "shop-1",
            "client_email": "push@shop-1.iam.example",
            "private_key": rsa_key(),
            "private_key_id": "g1",
            "token_uri": "https://elsewhere.example/token",
        },
        "apns": {"team_id": "TEAM000001", "key_id": "KEY0000001", "private_key": p256_key(), "topic": "kr.example.shop"},
    } | more
