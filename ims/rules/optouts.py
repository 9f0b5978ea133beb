"""Whom an opt-out (수신거부) names, and on which channels it holds: the ways that reach a person by such an address."""

from __future__ import annotations

from collections.abc import Iterable

from ims.rules import email, phone
from ims.rules.fallback import EMAIL, KINDS, PHONE
from ims.topics import Channel

CHANNELS = tuple(channel for channel in Channel if {PHONE, EMAIL} & set(KINDS[channel]))  # those that people are reached by without an app


def recipient(given: str) -> str | None:
    """The number or e-mail address in the one form under which it is found; none when it is neither."""
    return email.address(given) if "@" in given else phone.recipient(given)


def reaching(recipients: Iterable[str]) -> list[Channel]:
    """The channels that reach people by one of these addresses."""
    kinds = {EMAIL if "@" in given else PHONE for given in recipients}
    return [channel for channel in CHANNELS if kinds & set(KINDS[channel])]
