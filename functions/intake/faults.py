"""Pydantic's errors of a message as faults of ours: the codes that the contract has for its places (ims/rules/validation.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from ims.rules import validation
from ims.rules.faults import Fault, Rejections
from ims.rules.validation import not_served, plain_code, refused

__all__ = ["Fault", "Rejections", "faults_of", "first_words", "not_served", "refused"]

NOT_SERVED = frozenset({"reserved_at"})  # in the contract, in a later version of this code


def faults_of(exc: ValidationError, prefix: int = 0) -> list[Fault]:
    """As ims.rules.validation says, with the codes of a message's places."""
    return validation.faults_of(exc, prefix, _code, NOT_SERVED)


def _code(kind: str, loc: Sequence[int | str]) -> str:
    first, last = (loc[0], loc[-1]) if loc else ("", "")
    if first in {"attachment", "carousel"}:
        return "4000" if last == "type" and kind == "literal_error" else "4002"
    if first == "buttons" and last == "type" and kind == "literal_error":
        return "4000"
    if first == "supplement":
        return "4003"
    if (plain := plain_code(kind, loc)) != "1400":
        return plain
    if last == "message_type" or (first == "fallback" and last == "type"):
        return "4001"
    if last == "message" and kind == "string_too_long":
        return "2010"
    return "1400"


def first_words(faults: Iterable[Fault], english: bool) -> str:
    """Several faults of one row in one line."""
    return " ".join(f"{f.field}: {f.message(english)}" if f.field else f.message(english) for f in faults)
