"""Who calls: the x-ims-key header, compared in constant time with digests; the networks that a key may be used from."""

from __future__ import annotations

import base64
import binascii
import hmac
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ims.ports.registry import Customer

_LONGEST_HEADER = 1_024
_NOBODY = (bytes(32),)  # what an unknown username is compared with, so that it takes as long as a known one


def digest(secret: str) -> bytes:
    """How a secret is kept. Secrets are 256 random bits of ours, so a plain hash is enough."""
    return sha256(secret.encode()).digest()


def parse(header: str) -> tuple[str, str] | None:
    """Username and secret of `Base64(username:secret_key)`; none when it is not that."""
    if not 0 < len(header) <= _LONGEST_HEADER:
        return None
    try:
        plain = base64.b64decode(header, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    username, colon, secret = plain.partition(":")
    return (username, secret) if colon and username and secret else None


def matches(customer: Customer | None, username: str, secret: str) -> bool:
    """Whether the secret is one of the user's live ones."""
    known = customer.credentials.get(username, _NOBODY) if customer else _NOBODY
    presented = digest(secret)
    right = False
    for kept in known:
        right |= hmac.compare_digest(kept, presented)
    return right and known is not _NOBODY


@lru_cache(maxsize=1_024)
def _networks(allowed: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(network, strict=False) for network in allowed)


def may_come_from(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks; no networks: any address."""
    if not allowed:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _networks(allowed))
