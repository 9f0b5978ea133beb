"""`stat`: how many messages of a service key became what, by day of acceptance; and the table of result codes.

A message is counted as pending under the channel that was asked for until it has a result, then under what was sent in the end: an AlimTalk
that became a text counts as SMS. So the sum over all is every message, each once. Counters move in the transaction that writes the
history row, so both agree at every moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from functions.center.desk import Desk
from ims.ports.histories import Counted
from ims.ports.registry import ServiceKey
from ims.results import all_codes
from ims.runtime.clients.query import NO_DAY, Query

PATH = re.compile(r"/ims/([^/]+)/stat(?:/(kakao|mt|email|push|rcs))?")
CODES = re.compile(r"/ims/([^/]+)/codes()")
MOST_DAYS = 366

# By channel: the report types it can have. MT: a text of which nobody has chosen yet whether it goes out as SMS, LMS or MMS.
TYPES = {"kakao": ("AT", "FT", "BT"), "mt": ("MT", "SMS", "LMS", "MMS"), "email": ("EM",), "push": ("PU",), "rcs": ("RCS",)}
_CHANNEL = {kind: channel for channel, kinds in TYPES.items() for kind in kinds}
_SAME = {"RC": "RCS"}  # as topics call the channel
_COLUMN = {
    "RECEIVED": "pending", "DELIVERED": "success", "UNKNOWN": "unknown",
    "FAILED": "fail", "REJECTED": "fail", "EXPIRED": "fail", "CANCELLED": "fail",
}  # fmt: skip


async def read(desk: Desk, key: ServiceKey, channel: str | None, query: str) -> dict[str, Any]:
    """The answer of `stat`: by type, or by channel and type; none where nothing was sent."""
    kinds = TYPES[channel] if channel else tuple(_CHANNEL)
    asked = Query(query, ("from", "to", "type") if channel else ("from", "to"))
    first, last = asked.day("from"), asked.day("to")
    kind = asked.one_of("type", kinds)
    if NO_DAY not in (first, last) and not 0 <= (last - first).days < MOST_DAYS:
        asked.wrong("to", f"from부터 {MOST_DAYS}일 이내여야 합니다.", f"It must be within {MOST_DAYS} days from `from`, and not before it.")
    asked.done()
    counted = by_type(await desk.histories.counted(key.key, first.isoformat(), last.isoformat()))
    if channel:
        return {name: counts for name, counts in counted.items() if name in kinds and kind in ("", name)}
    nested: dict[str, Any] = dict.fromkeys(TYPES)
    for name, counts in counted.items():
        nested[_CHANNEL[name]] = {**(nested[_CHANNEL[name]] or {}), name: counts}
    return nested


def by_type(counted: Iterable[Counted]) -> dict[str, dict[str, int]]:
    """Contract 3: total = success + fail + unknown + pending."""
    found: dict[str, dict[str, int]] = {}
    for kind, result, messages in counted:
        counts = found.setdefault(_SAME.get(kind, kind), {"total": 0, "success": 0, "fail": 0, "unknown": 0, "pending": 0})
        counts[_COLUMN[result]] += messages
        counts["total"] += messages
    return {kind: found[kind] for kind in _CHANNEL if kind in found}


async def codes(_desk: Desk, _key: ServiceKey, _nothing: str, query: str) -> dict[str, Any]:
    """The answer of `codes`: every result code of a family, or of all (docs/codes.md)."""
    families = sorted({code.family for code in all_codes()})
    asked = Query(query, ("family",))
    family = asked.one_of("family", families)
    asked.done()
    found = [code for code in all_codes() if family in ("", code.family)]
    return {
        "list": [
            {
                "family": c.family, "code": c.code, "name": c.name, "ko": c.ko, "en": c.en, "class": c.result_class.value,
                "retryable": c.retryable, "fallback": c.fallback, "recipient_effect": c.recipient_effect,
            }
            for c in found
        ]
    }  # fmt: skip
