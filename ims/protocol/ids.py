"""Ids that say where a thing lives and cannot be guessed (design invariant 1).

birth event id   16 characters: lane letter, day (3), part of the day (3: 2.6 s each), random (9: 45 bits)
tracking id      26: birth event id, position (2), tag (8)
ref              27: tracking id, attempt; what a provider is given and hands back in its reports
event id         26: keyed by nothing, computed from the cause, so that a redelivery emits the same id again

Births of one moment stand side by side, so that rows written together lie together: with 60 random bits every row of a
large table went to a page of its own. Two births of the same 2.6 s, 1,000 a second, meet once in 300 days; whoever stores
the second one notices.

The tag is a keyed hash of birth id and position: a report whose ref was made up fails, whoever sent it.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b
from typing import NamedTuple

from ims.lanes import LANE_OF_LETTER, TRAITS, Lane

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no i, l, o, u, so nothing reads as something else
_VALUE = {c: i for i, c in enumerate(_ALPHABET)}
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_DAY_MS = 86_400_000
_SHIFTS = range(120, -1, -10)  # 13 pairs hold 128 bits
MAX_POSITIONS = len(_PAIRS)
MAX_ATTEMPTS = 6  # the first and four fallback steps fit with room


def _base32(number: int, width: int) -> str:
    out = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        out.append(_ALPHABET[digit])
    return "".join(reversed(out))


def _number(text: str) -> int:
    value = 0
    for c in text:
        value = value * 32 + _VALUE[c]
    return value


def day_of(at_ms: int) -> int:
    """The UTC day, counted from 1970: what acceptance slices are cut by."""
    return at_ms // _DAY_MS


def new_birth(lane: Lane, at_ms: int) -> str:
    """A new birth event id."""
    return f"{births_from(lane, at_ms)}{_base32(secrets.randbits(45), 9)}"


def births_from(lane: Lane, at_ms: int) -> str:
    """What sorts before every birth of the lane that is made at this time (its 2.6 s) or later, and after every one made before."""
    day, part = divmod(max(0, at_ms), _DAY_MS)
    return f"{TRAITS[lane].letter}{_base32(day << 15 | (part << 15) // _DAY_MS, 6)}"


def lane_of(id_: str) -> Lane:
    """The lane in which a birth, tracking id or ref was born. ValueError when it is none of ours."""
    lane = LANE_OF_LETTER.get(id_[:1])
    if lane is None:
        raise ValueError("not an id of ours")
    return lane


def day_in(id_: str) -> int:
    """The UTC day in a birth, tracking id or ref."""
    return _number(id_[1:4])


def first_of_day(lane: Lane, day: int) -> str:
    """Sorts before every id that is born in the lane on this UTC day, and after all of the days before."""
    return f"{TRAITS[lane].letter}{_base32(day, 3)}"


def derived(cause: str, step: str, part: int | str = 0) -> str:
    """The id of what a cause brings about: the same every time it is computed."""
    n = int.from_bytes(blake2b(f"{cause}|{step}|{part}".encode(), digest_size=16).digest(), "big")
    return "".join([_PAIRS[n >> shift & 1023] for shift in _SHIFTS])


def acceptance_key(service_key: str, message_id: str) -> bytes:
    """16 bytes by which a message is known for 24 hours (design invariant 2)."""
    return blake2b(f"{service_key}\0{message_id}".encode(), digest_size=16).digest()


class Ref(NamedTuple):
    """A parsed and verified ref."""

    birth: str
    position: int
    attempt: int


class Tracker:
    """Makes and checks tracking ids; holds the key of the tags."""

    def __init__(self, tag_key: bytes) -> None:
        self._keyed = blake2b(key=tag_key, digest_size=5)

    def _tag(self, birth: str, pair: str) -> str:
        tag = self._keyed.copy()  # a third cheaper than keying anew
        tag.update(f"{birth}{pair}".encode())
        number = int.from_bytes(tag.digest(), "big")
        pairs = _PAIRS
        return pairs[number >> 30] + pairs[number >> 20 & 1023] + pairs[number >> 10 & 1023] + pairs[number & 1023]

    def tracking_id(self, birth: str, position: int) -> str:
        """The message's id inside IMS."""
        pair = _PAIRS[position]
        return f"{birth}{pair}{self._tag(birth, pair)}"

    def ref(self, birth: str, position: int, attempt: int) -> str:
        """What the provider is told to call this member of this attempt."""
        return self.tracking_id(birth, position) + _ALPHABET[attempt]

    def parse(self, ref: str) -> Ref:
        """A ref taken apart. ValueError when it is malformed or its tag is forged."""
        parsed = taken_apart(ref)
        if not hmac.compare_digest(self._tag(parsed.birth, ref[16:18]), ref[18:26]):
            raise ValueError("the tag does not fit")
        return parsed


def taken_apart(ref: str) -> Ref:
    """A ref whose tag was checked when it was taken in. ValueError when it is malformed."""
    if len(ref) != 27 or not ref.isascii() or ref[0] not in LANE_OF_LETTER:
        raise ValueError("not a ref")
    try:
        return Ref(ref[:16], _VALUE[ref[16]] * 32 + _VALUE[ref[17]], _VALUE[ref[26]])
    except KeyError as exc:
        raise ValueError("not a ref") from exc
