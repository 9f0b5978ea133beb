"""The link by which a recipient refuses a customer's ads on a channel: sealed, so that nobody can make or read one.

A token holds customer, channel and the keyed index of the recipient, never an address. It opens as long as its key is in the
keyring, also after the message itself is long gone: the law knows no date after which nobody may refuse.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from ims.errors import Poison, Rejected
from ims.protocol.sealing import Sealer
from ims.topics import Channel

PATH = "/ims/unsubscribe/"
_CONTEXT = "unsubscribe"
_CHARACTERS = 400  # of a token: customer names have at most 40


class Refusing(NamedTuple):
    """Who refuses what of whom."""

    customer: str
    channel: Channel
    recipient: bytes  # keyed index


def token(sealer: Sealer, customer: str, channel: Channel, to: str) -> str:
    """The token of one recipient of one customer on one channel."""
    plain = sealer.index(to) + f"{channel}\0{customer}".encode()
    return f"{sealer.key_id}.{base64.urlsafe_b64encode(sealer.seal(plain, _CONTEXT)).decode().rstrip('=')}"


def link(base_url: str, sealed: str) -> str:
    """Where the recipient goes."""
    return f"{base_url.rstrip('/')}{PATH}{sealed}"


def opened(sealer: Sealer, text: str) -> Refusing:
    """Who refuses. Rejected 1404 for whatever we did not make: a foreign token is answered as an unknown path is."""
    key_id, _, sealed = text.partition(".")
    try:
        if len(text) > _CHARACTERS or not sealed.isascii():
            raise ValueError("not a token")
        raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        plain = sealer.open(raw, _CONTEXT, key_id)
        channel, customer = plain[12:].decode().split("\0", 1)
        return Refusing(customer, Channel(channel), plain[:12])
    except (ValueError, binascii.Error, Poison) as exc:
        raise Rejected("1404") from exc
